package handler_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"tributary/connector/handler"
)

// tickets tells of the tickets of a queue: those behind the number that it has told last.
type tickets []string

func (q tickets) Delta(_ context.Context, r handler.Request) (handler.Response, error) {
	var told int
	if err := json.Unmarshal(r.PreviousState, &told); err != nil { // null leaves it 0
		return handler.Response{}, err
	}
	var resp handler.Response
	for ; told < len(q) && len(resp.NewOrUpdated) < 2; told++ {
		resp.NewOrUpdated = append(resp.NewOrUpdated, handler.Entry{
			Collection: "tickets", Record: json.RawMessage(fmt.Sprintf(`{"id":%d,"text":%q}`, told+1, q[told])),
		})
	}
	resp.More = told < len(q)
	resp.NextState = json.RawMessage(fmt.Sprint(told))
	return resp, nil
}

func (q tickets) Dump(context.Context, handler.Request) (handler.Response, error) {
	return handler.Response{}, nil // it is asked for one only where dumps are configured
}

// A handler in Go is served to Tributary, which calls it until there is no more.
func Example() {
	server := httptest.NewServer(handler.Serve(tickets{"printer on fire", "no coffee", "coffee on printer"}))
	defer server.Close()

	for _, state := range []string{"null", "2"} {
		resp, err := http.Post(server.URL+"/delta", "application/json", strings.NewReader(`{"id":"1","previous_state":`+state+`}`))
		if err != nil {
			fmt.Println(err)
			return
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		fmt.Print(string(body))
	}
	// Output:
	// {"more":true,"next_state":2,"new_or_updated":[{"collection":"tickets","record":{"id":1,"text":"printer on fire"}},{"collection":"tickets","record":{"id":2,"text":"no coffee"}}]}
	// {"more":false,"next_state":3,"new_or_updated":[{"collection":"tickets","record":{"id":3,"text":"coffee on printer"}}]}
}
