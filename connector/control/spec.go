package control

import (
	_ "embed"
	"net/http"
	"sync"

	"github.com/goccy/go-yaml"
)

//go:embed openapi.yaml
var openAPI []byte

// specJSON is the same document; it is converted when somebody asks for it first.
var specJSON = sync.OnceValues(func() ([]byte, error) { return yaml.YAMLToJSON(openAPI) })

// OpenAPI returns the description of the API, an OpenAPI 3.1 document in YAML.
func OpenAPI() []byte { return openAPI }

func serveYAML(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	w.Write(openAPI) // who has gone is nobody's error
}

func serveJSON(w http.ResponseWriter, _ *http.Request) {
	body, err := specJSON()
	if err != nil {
		internal().write(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Write(body)
}
