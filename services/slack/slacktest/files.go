package slacktest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
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
	s.mu.Lock()
	defer s.mu.Unlock()
	object := map[string]any{
		"id": id, "name": name, "title": name, "mimetype": mimetype, "size": len(content), "mode": "hosted",
		"permalink":            "https://test.slack.com/files/" + UserID + "/" + id + "/" + name,
		"url_private":          s.http.URL + "/files-pri/" + id + "/" + name,
		"url_private_download": s.http.URL + "/files-pri/" + id + "/download/" + name,
	}
	for k, v := range more {
		object[k] = v
	}
	s.files[id] = &file{object: object, content: content, done: true}
}

func (s *Server) fileInfo(r *http.Request, body []byte) Response {
	var p struct{ File string }
	if err := decode(body, &p); err != nil {
		return invalidArguments(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.files[p.File]
	if f == nil || !f.done {
		return Failure("file_not_found", nil)
	}
	object := map[string]any{}
	for k, v := range f.object { // links to where the caller has found this server
		if link, ok := v.(string); ok {
			v = strings.Replace(link, s.http.URL, "http://"+r.Host, 1)
		}
		object[k] = v
	}
	return success(map[string]any{"file": object})
}

// download shows whom it does not know the login page, after a redirect.
func (s *Server) download(r *http.Request, path string) Response {
	if r.Header.Get("Authorization") != "Bearer "+s.token {
		return Response{Status: http.StatusFound, Header: http.Header{"Location": {"https://test.slack.com/?redir=" + r.URL.EscapedPath()}}}
	}
	id, _, _ := strings.Cut(path, "/")
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.files[id]
	if f == nil || r.Method != http.MethodGet {
		return Response{Status: http.StatusNotFound}
	}
	kind, _ := f.object["mimetype"].(string)
	return Response{Header: http.Header{"Content-Type": {kind}}, Body: string(f.content)}
}

func (s *Server) getUploadURL(r *http.Request, body []byte) Response {
	var p struct{ Filename, Length string }
	if err := decode(body, &p); err != nil {
		return invalidArguments(err)
	}
	length, err := strconv.Atoi(p.Length)
	if p.Filename == "" || err != nil || length <= 0 {
		return invalidArguments(fmt.Errorf("filename and a positive length are required"))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	id := fmt.Sprintf("F%08d", s.count)
	s.files[id] = &file{length: length, object: map[string]any{"id": id, "name": p.Filename}}
	return success(map[string]any{"upload_url": "http://" + r.Host + "/upload/v1/" + id, "file_id": id})
}

func (s *Server) upload(r *http.Request, id string, body []byte) Response {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.files[id]
	switch {
	case f == nil || r.Method != http.MethodPost:
		return Response{Status: http.StatusNotFound}
	case r.Header.Get("Authorization") != "":
		return Response{Status: http.StatusBadRequest, Body: "the link needs no token, and must not get it"}
	case len(body) != f.length:
		return Response{Status: http.StatusBadRequest, Body: "the length is not the one that was announced"}
	}
	f.content = body
	return Response{Header: http.Header{"Content-Type": {"text/plain"}}, Body: fmt.Sprintf("OK - %d", len(body))}
}

func (s *Server) completeUpload(_ *http.Request, body []byte) Response {
	var p struct {
		Files []struct {
			ID    string `json:"id"`
			Title string `json:"title"`
		} `json:"files"`
		ChannelID      string `json:"channel_id"`
		Channels       string `json:"channels"`
		ThreadTS       string `json:"thread_ts"`
		InitialComment string `json:"initial_comment"`
	}
	switch err := decode(body, &p); {
	case err != nil:
		return invalidArguments(err)
	case len(p.Files) == 0:
		return invalidArguments(fmt.Errorf("files is empty"))
	case p.ThreadTS != "" && !timestamp.MatchString(p.ThreadTS):
		return Failure("invalid_thread_ts", nil)
	case !conversation.MatchString(p.ChannelID) && !user.MatchString(p.Channels) && !conversation.MatchString(p.Channels):
		return Failure("channel_not_found", nil) // where Slack would keep the file to itself
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	list := []map[string]any{}
	for _, told := range p.Files {
		f := s.files[told.ID]
		if f == nil || f.content == nil {
			return Failure("file_not_found", nil)
		}
		f.done, f.object["title"] = true, told.Title
		list = append(list, map[string]any{"id": told.ID, "title": told.Title})
	}
	return success(map[string]any{"files": list})
}

// respond takes what is answered at a response_url.
func (s *Server) respond(r *http.Request, body []byte) Response {
	var p struct {
		post
		ResponseType    string `json:"response_type"`
		ReplaceOriginal bool   `json:"replace_original"`
		DeleteOriginal  bool   `json:"delete_original"`
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	s.mu.Lock()
	s.answers++
	answers := s.answers
	s.mu.Unlock()
	switch err := decoder.Decode(&p); {
	case answers > maxAnswers:
		used := Failure("used_url", nil)
		used.Status = http.StatusNotFound
		return used
	case err != nil || r.Method != http.MethodPost || r.Header.Get("Authorization") != "":
		return Response{Status: http.StatusInternalServerError, Body: "invalid_payload"}
	case p.MarkdownText != "" || p.Channel != "" || p.TS != "" || p.Metadata != nil:
		return Response{Status: http.StatusInternalServerError, Body: "invalid_payload"}
	}
	if refusal := p.fault(40_000); refusal != nil {
		return *refusal
	}
	return Response{Header: http.Header{"Content-Type": {"text/html"}}, Body: "ok"}
}
