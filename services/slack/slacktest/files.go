package slacktest

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/hiliosai/switchboard/integration/fakeapi"
	"github.com/hiliosai/switchboard/integration/fakeapi/is"
)

// maxAnswers is how often a response_url can be used.
const maxAnswers = 5

// file is one that was added, or that is being uploaded.
type file struct {
	object  map[string]any // "File object"
	content []byte
	length  int // that was announced
	done    bool
}

// AddFile makes a file available to files.info and for download. more is added to what is told of it, and may
// be nil.
func (s *Server) AddFile(id, name, mimetype string, content []byte, more map[string]any) {
	root := s.Server.URL()
	object := map[string]any{
		"id": id, "name": name, "title": name, "mimetype": mimetype, "size": len(content), "mode": "hosted",
		"permalink":            "https://test.slack.com/files/" + UserID + "/" + id + "/" + name,
		"url_private":          root + "/files-pri/" + id + "/" + name,
		"url_private_download": root + "/files-pri/" + id + "/download/" + name,
	}
	for k, v := range more {
		object[k] = v
	}
	s.Locked(func() { s.files[id] = &file{object: object, content: content, done: true} })
}

func (s *Server) fileInfo(r *fakeapi.Request) Response {
	f := s.files[is.At[string](r.Body, "file")]
	if f == nil || !f.done {
		return Failure("file_not_found", nil)
	}
	object := map[string]any{}
	for k, v := range f.object { // links to where the caller has found this server
		if link, ok := v.(string); ok {
			v = strings.Replace(link, s.Server.URL(), "http://"+r.Host, 1)
		}
		object[k] = v
	}
	return success(map[string]any{"file": object})
}

// downloadFault shows the login page, after a redirect, to a caller without the token.
func (s *Server) downloadFault(r *fakeapi.Request) *is.Fault {
	switch {
	case r.Header.Get("Authorization") != "Bearer "+s.token:
		to := http.Header{"Location": {"https://test.slack.com/?redir=" + r.URI}}
		return fakeapi.Refusal(Response{Status: http.StatusFound, Header: to})
	case s.files[r.Values["id"]] == nil || r.Method != http.MethodGet:
		return fakeapi.Refusal(Response{Status: http.StatusNotFound})
	}
	return nil
}

func (s *Server) download(r *fakeapi.Request) Response {
	f := s.files[r.Values["id"]]
	return fakeapi.Bytes(is.At[string](f.object, "mimetype"), f.content)
}

func (s *Server) getUploadURL(r *fakeapi.Request) Response {
	length, err := strconv.Atoi(is.At[string](r.Body, "length"))
	if err != nil {
		return Failure("invalid_arguments", nil)
	}
	s.count++
	id := fmt.Sprintf("F%08d", s.count)
	s.files[id] = &file{length: length, object: map[string]any{"id": id, "name": r.Body["filename"]}}
	return success(map[string]any{"upload_url": "http://" + r.Host + "/upload/v1/" + id, "file_id": id})
}

func (s *Server) uploadFault(r *fakeapi.Request) *is.Fault {
	f := s.files[r.Values["id"]]
	switch {
	case f == nil:
		return fakeapi.Refusal(Response{Status: http.StatusNotFound})
	case r.Header.Get("Authorization") != "":
		return fakeapi.Refusal(Response{Status: http.StatusBadRequest, Body: "the link must not get the token"})
	case len(r.Raw) != f.length:
		return fakeapi.Refusal(Response{Status: http.StatusBadRequest, Body: "the length is not the one that was announced"})
	}
	return nil
}

func (s *Server) upload(r *fakeapi.Request) Response {
	s.files[r.Values["id"]].content = r.Raw
	return Response{Header: http.Header{"Content-Type": {"text/plain"}}, Body: fmt.Sprintf("OK - %d", len(r.Raw))}
}

func (s *Server) completeUpload(r *fakeapi.Request) Response {
	list := []map[string]any{}
	for _, told := range is.At[[]any](r.Body, "files") {
		id, title := is.At[string](told, "id"), is.At[string](told, "title")
		f := s.files[id]
		if f == nil || f.content == nil {
			return Failure("file_not_found", nil)
		}
		f.done, f.object["title"] = true, title
		list = append(list, map[string]any{"id": id, "title": title})
	}
	return success(map[string]any{"files": list})
}
