package connect

import (
	"net/http"
	"strings"
)

// version is the release of Kafka whose API this is. kcctl reads two numbers of it and
// does only what that release could.
const version = "4.1.0"

type rootInfo struct {
	Version   string `json:"version"`
	Commit    string `json:"commit"`
	ClusterID string `json:"kafka_cluster_id"`
}

// root says who we are where Connect says its commit.
func (h *handler) root(*http.Request) (int, any, error) {
	info := h.plane.Info()
	return http.StatusOK, rootInfo{version, "tributary-" + info.Version, info.ClusterID}, nil
}

type healthInfo struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

// health is that of a worker (KIP-1017): whether it owns what it is to own. How its
// collections fare is in their status.
func (h *handler) health(*http.Request) (int, any, error) {
	waiting := 0
	lanes := h.plane.Info().Lanes
	for _, lane := range lanes {
		if !lane.Acquired {
			waiting++
		}
	}
	if waiting > 0 {
		return http.StatusServiceUnavailable, healthInfo{"starting", "Lanes are being acquired, in which the state of the collections is."}, nil
	}
	return http.StatusOK, healthInfo{"healthy", "Every lane is acquired."}, nil
}

// rootLogger is the one logger there is.
const rootLogger = "root"

type loggerLevel struct {
	Level string `json:"level"`
	// LastModified is not known: the level may be changed elsewhere too.
	LastModified *int64 `json:"last_modified"`
}

func (h *handler) level() loggerLevel { return loggerLevel{Level: strings.ToUpper(h.plane.Level())} }

func (h *handler) loggers(*http.Request) (int, any, error) {
	return http.StatusOK, map[string]loggerLevel{rootLogger: h.level()}, nil
}

func (h *handler) logger(r *http.Request) (int, any, error) {
	if err := isRoot(r); err != nil {
		return 0, nil, err
	}
	return http.StatusOK, h.level(), nil
}

func isRoot(r *http.Request) error {
	if name := r.PathValue("logger"); name != rootLogger {
		return unknown("Logger " + name + " not found: there is one, " + rootLogger)
	}
	return nil
}

// setLogger changes the level until the process ends. With scope=cluster Connect does not
// say what it changed, and there is but one worker to change.
func (h *handler) setLogger(r *http.Request) (int, any, error) {
	if err := isRoot(r); err != nil {
		return 0, nil, err
	}
	var asked map[string]any
	if err := decode(r.Body, &asked); err != nil {
		return 0, nil, err
	}
	level, _ := asked["level"].(string)
	switch strings.ToUpper(level) {
	case "":
		return 0, nil, &apiError{http.StatusBadRequest, "Desired 'level' parameter was not specified in request."}
	case "DEBUG", "INFO", "WARN", "ERROR":
	default:
		return 0, nil, unknown("Invalid log level '" + level + "': there are DEBUG, INFO, WARN and ERROR")
	}
	if err := h.plane.SetLevel(strings.ToLower(level)); err != nil {
		return 0, nil, err
	}
	if strings.EqualFold(r.URL.Query().Get("scope"), "cluster") {
		return http.StatusNoContent, nil, nil
	}
	return http.StatusOK, []string{rootLogger}, nil
}
