// Package whatsapptest stands in for the Graph API as far as one business phone number of the WhatsApp Business
// Cloud API needs it, for tests and demonstrations. It is stricter than WhatsApp: what is not documented is refused,
// and so is at once what WhatsApp would accept and fail to deliver.
package whatsapptest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
)

// Account is what the API knows.
type Account struct {
	Token         string
	PhoneNumberID string
	WABAID        string
	AppSecret     string // to check appsecret_proof with, where a call has it
}

// API implements [http.Handler]. Safe for concurrent use.
type API struct {
	account Account

	mu       sync.Mutex
	requests []Request
	next     []Answer
	number   map[string]any
	apps     []string
	media    map[string]Media
	lastID   int
}

// Request is a call that brought the right token, in the order of arrival.
type Request struct {
	Method string
	Path   string // without the version, and with the query
	Body   []byte // JSON, or a form
}

// Answer is one that stands instead of the usual one. The zero value is 200 without a body.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Media is an attachment.
type Media struct {
	MimeType string
	Filename string
	Content  []byte
	Size     int64 // that the API tells; zero is the content's
}

// New returns an API with a number that is well.
func New(account Account) *API {
	return &API{
		account: account,
		number: map[string]any{
			"id": account.PhoneNumberID, "display_phone_number": "+1 555-078-3881", "verified_name": "Lucky Shrub", "quality_rating": "GREEN",
			"status": "CONNECTED", "platform_type": "CLOUD_API", "name_status": "APPROVED", "throughput": map[string]any{"level": "STANDARD"},
		},
		apps:  []string{"Switchboard"},
		media: map[string]Media{},
	}
}

// Requests returns what has arrived so far.
func (a *API) Requests() []Request {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]Request(nil), a.requests...)
}

// Answer makes the next calls be answered so, in order.
func (a *API) Answer(answers ...Answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next = append(a.next, answers...)
}

// SetNumber changes what the API tells of the number.
func (a *API) SetNumber(field string, value any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.number[field] = value
}

// SetApps changes which apps get the account's webhooks.
func (a *API) SetApps(names ...string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.apps = names
}

// AddMedia makes an attachment available by an id.
func (a *API) AddMedia(id string, m Media) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.media[id] = m
}

// Media is an attachment by its id, also one that was uploaded.
func (a *API) Media(id string) (Media, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	m, ok := a.media[id]
	return m, ok
}

// Error is an answer with the Graph API's error object. details may be empty.
func Error(status, code, subcode int, message, details string) Answer {
	e := map[string]any{"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "Az8or2yhqkZfEZ-_4Qn_Bam"}
	if subcode != 0 {
		e["error_subcode"] = subcode
	}
	if details != "" {
		e["error_data"] = map[string]any{"messaging_product": "whatsapp", "details": details}
	}
	return answer(status, map[string]any{"error": e})
}

func answer(status int, body any) Answer {
	encoded, err := json.Marshal(body)
	if err != nil { // of a test's own value
		return Answer{Status: http.StatusInternalServerError, Body: err.Error()}
	}
	return Answer{Status: status, Header: http.Header{"Content-Type": {"application/json"}}, Body: string(encoded)}
}

const maxBody = 101 << 20

var version = regexp.MustCompile(`^/v\d+\.\d+/`)

// ServeHTTP implements http.Handler.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		write(w, Error(http.StatusRequestEntityTooLarge, 1, 0, "The request is too large", ""))
		return
	}
	if id, ok := strings.CutPrefix(r.URL.Path, downloads); ok {
		write(w, a.download(r, id))
		return
	}
	write(w, a.answer(r, body))
}

func write(w http.ResponseWriter, a Answer) {
	for name, values := range a.Header {
		w.Header()[name] = values
	}
	if a.Status != 0 {
		w.WriteHeader(a.Status)
	}
	_, _ = io.WriteString(w, a.Body) // the client may have gone away
}

func (a *API) answer(r *http.Request, body []byte) Answer {
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	prefix := version.FindString(r.URL.Path)
	switch {
	case !bearer:
		return Error(http.StatusUnauthorized, 104, 0, "An access token is required to request this resource.", "")
	case token != a.account.Token:
		return Error(http.StatusUnauthorized, 190, 0, "Invalid OAuth access token - Cannot parse access token", "")
	case prefix == "":
		return Error(http.StatusBadRequest, 2500, 0, "Unknown path components: "+r.URL.Path, "")
	case r.URL.Query().Has("appsecret_proof") && r.URL.Query().Get("appsecret_proof") != a.proof():
		return Error(http.StatusBadRequest, 100, 0, "Invalid appsecret_proof provided in the API argument", "")
	}
	path := r.URL.Path[len(prefix):]
	if scripted := a.record(Request{r.Method, strings.TrimPrefix(r.URL.RequestURI(), prefix), body}); scripted != nil {
		return *scripted
	}
	switch r.Method + " " + path {
	case "POST " + a.account.PhoneNumberID + "/messages":
		return a.message(r.Header.Get("Content-Type"), body)
	case "POST " + a.account.PhoneNumberID + "/media":
		return a.upload(r.Header.Get("Content-Type"), body)
	case "GET " + a.account.PhoneNumberID:
		return a.describe(r.URL.Query().Get("fields"))
	case "GET " + a.account.WABAID + "/subscribed_apps":
		return a.subscribed()
	}
	if r.Method == http.MethodGet && !strings.Contains(path, "/") {
		if m, ok := a.Media(path); ok {
			return link(r, path, m)
		}
	}
	return Error(http.StatusBadRequest, 100, 33, fmt.Sprintf("Unsupported %s request. Object with ID '%s' does not exist, cannot be loaded due to missing permissions, or does not support this operation", strings.ToLower(r.Method), path), "")
}

func (a *API) proof() string {
	mac := hmac.New(sha256.New, []byte(a.account.AppSecret))
	mac.Write([]byte(a.account.Token))
	return hex.EncodeToString(mac.Sum(nil))
}

// record keeps a request and takes the answer that was set for it.
func (a *API) record(r Request) *Answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	r.Body = bytes.Clone(r.Body)
	a.requests = append(a.requests, r)
	if len(a.next) == 0 {
		return nil
	}
	scripted := a.next[0]
	a.next = a.next[1:]
	return &scripted
}

// describe tells the fields of the number that are asked for, and the id.
func (a *API) describe(fields string) Answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	told := map[string]any{"id": a.number["id"]}
	for _, field := range strings.Split(fields, ",") {
		value, ok := a.number[field]
		if !ok {
			return Error(http.StatusBadRequest, 100, 0, fmt.Sprintf("(#100) Tried accessing nonexisting field (%s)", field), "")
		}
		told[field] = value
	}
	return answer(http.StatusOK, told)
}

func (a *API) subscribed() Answer {
	a.mu.Lock()
	defer a.mu.Unlock()
	data := []any{}
	for _, name := range a.apps {
		data = append(data, map[string]any{"whatsapp_business_api_data": map[string]any{"name": name, "id": "1"}})
	}
	return answer(http.StatusOK, map[string]any{"data": data})
}

// nextID counts what is made. The caller holds no lock.
func (a *API) nextID() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lastID++
	return a.lastID
}
