// Command handler-go is a handler in Go. It tells Tributary which files of a folder are new,
// have changed, or are gone:
//
//	go run ./deploy/examples/handler-go FOLDER 127.0.0.1:9003
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"maps"
	"net/http"
	"os"
	"slices"
	"time"

	"tributary/connector/handler"
)

const collection = "files"

// page is how many changes a response has.
const page = 100

// folder is told of. Its state is when each file was changed last.
type folder string

var _ handler.Handler = folder("")

// A file is a record.
type file struct {
	Name    string    `json:"name"`
	Size    int64     `json:"size"`
	Changed time.Time `json:"changed"`
}

func (f folder) files() (map[string]file, error) {
	all := map[string]file{}
	entries, err := os.ReadDir(string(f))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue // gone meanwhile
		}
		all[e.Name()] = file{e.Name(), info.Size(), info.ModTime().UTC()}
	}
	return all, nil
}

// Delta returns what differs from the state, and the state in which nothing of it does.
func (f folder) Delta(_ context.Context, r handler.Request) (handler.Response, error) {
	state := map[string]time.Time{}
	if err := json.Unmarshal(r.PreviousState, &state); err != nil { // null leaves it empty
		return handler.Response{}, err
	}
	if state == nil {
		state = map[string]time.Time{}
	}
	now, err := f.files()
	if err != nil {
		return handler.Response{}, err
	}
	var resp handler.Response
	for _, name := range slices.Sorted(maps.Keys(state)) {
		if _, there := now[name]; !there {
			resp.Deleted = append(resp.Deleted, handler.Deletion{Collection: collection, ID: name})
			delete(state, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if state[name].Equal(now[name].Changed) {
			continue
		}
		if resp.More = len(resp.NewOrUpdated) == page; resp.More {
			break
		}
		record, err := json.Marshal(now[name])
		if err != nil {
			return resp, err
		}
		resp.NewOrUpdated = append(resp.NewOrUpdated, handler.Entry{Collection: collection, Record: record})
		state[name] = now[name].Changed
	}
	resp.NextState, err = json.Marshal(state)
	return resp, err
}

// Dump returns everything at once, and no state: the delta goes on from its own.
func (f folder) Dump(context.Context, handler.Request) (handler.Response, error) {
	now, err := f.files()
	var resp handler.Response
	for _, name := range slices.Sorted(maps.Keys(now)) {
		record, err := json.Marshal(now[name])
		if err != nil {
			return resp, err
		}
		resp.NewOrUpdated = append(resp.NewOrUpdated, handler.Entry{Collection: collection, Record: record})
	}
	return resp, err
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: handler-go FOLDER ADDRESS")
	}
	fmt.Printf("listening on %s\n", os.Args[2])
	log.Fatal(http.ListenAndServe(os.Args[2], handler.Serve(folder(os.Args[1]))))
}
