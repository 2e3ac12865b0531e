// Package whatsapptest is a fake of the Graph API as far as one business phone number of the WhatsApp Business
// Cloud API needs it, for tests and demonstrations. It is stricter than WhatsApp: it refuses what is not documented,
// and refuses at once what WhatsApp would accept and fail to deliver.
package whatsapptest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"regexp"
	"strings"

	"github.com/hiliosai/switchboard/integration/fakeapi"
	"github.com/hiliosai/switchboard/integration/fakeapi/is"
)

// Account is what the API knows.
type Account struct {
	Token         string
	PhoneNumberID string
	WABAID        string
	AppSecret     string // to check appsecret_proof with, where a call has it
}

// API is the Graph API for one account. It records the requests that bring the right token. Safe for concurrent use.
type API struct {
	*fakeapi.Server
	account Account
	number  map[string]any
	apps    []string
	secret  string // verify_token of the number's own URL
	media   map[string]Media
	lastID  int
}

// Answer is a scripted answer.
type Answer = fakeapi.Answer

// New returns an API with a number that is well.
func New(account Account) *API {
	a := &API{
		account: account,
		number: map[string]any{
			"id": account.PhoneNumberID, "display_phone_number": "+1 555-078-3881", "verified_name": "Lucky Shrub",
			"quality_rating": "GREEN", "status": "CONNECTED", "platform_type": "CLOUD_API", "name_status": "APPROVED",
			"throughput": map[string]any{"level": "STANDARD"}, "webhook_configuration": map[string]any{},
		},
		apps:  []string{"Switchboard"},
		media: map[string]Media{},
	}
	a.Server = fakeapi.New(fakeapi.API{
		Admit: a.admit, Refuse: refuse, MaxBody: 101 << 20,
		Routes: fakeapi.Routes{
			"POST /{version}/" + account.PhoneNumberID + "/messages": {
				Body: shapes["messages"], Check: recipientFault, Answer: a.sent,
			},
			"POST /{version}/" + account.PhoneNumberID + "/media": {
				Takes: fakeapi.FormatMultipart, Body: shapes["upload"], Check: uploadFault, Answer: a.upload,
			},
			"GET /{version}/" + account.PhoneNumberID: {Answer: a.describe},
			"POST /{version}/" + account.PhoneNumberID: {
				Name: SetCallback, Body: shapes["callback"], Check: a.callbackFault, Answer: a.setCallback,
			},
			"POST /{version}/" + account.WABAID + "/subscribed_apps": {
				Name: Subscribe, Takes: fakeapi.NoBody, Answer: a.subscribe,
			},
			"GET /{version}/" + account.WABAID + "/subscribed_apps": {Answer: a.subscribed},
			"GET /{version}/{media}":                                {Answer: a.link},
		},
	})
	return a
}

// Answer scripts the answers to the next calls, in their order.
func (a *API) Answer(answers ...Answer) { a.Script("", answers...) }

// SetNumber changes what the API tells of the number.
func (a *API) SetNumber(field string, value any) { a.Locked(func() { a.number[field] = value }) }

// SetApps changes which apps get the account's webhooks.
func (a *API) SetApps(names ...string) { a.Locked(func() { a.apps = names }) }

// Error is an answer with the Graph API's error object. details may be empty.
func Error(status, code, subcode int, message, details string) Answer {
	e := map[string]any{"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "Az8or2yhqkZfEZ"}
	if subcode != 0 {
		e["error_subcode"] = subcode
	}
	if details != "" {
		e["error_data"] = map[string]any{"messaging_product": "whatsapp", "details": details}
	}
	return fakeapi.JSON(status, map[string]any{"error": e})
}

var (
	version = regexp.MustCompile(`^/v\d+\.\d+/`)
	digits  = regexp.MustCompile(`^\d+$`)
)

// admit checks the token, the version, and the proof that the caller knows the app's secret.
func (a *API) admit(r *fakeapi.Request) *Answer {
	if strings.HasPrefix(r.Path, downloads) {
		return a.download(r)
	}
	token, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	var refusal Answer
	switch {
	case !bearer:
		refusal = Error(http.StatusUnauthorized, 104, 0, "An access token is required to request this resource.", "")
	case token != a.account.Token:
		refusal = Error(http.StatusUnauthorized, 190, 0, "Invalid OAuth access token - Cannot parse access token", "")
	case !version.MatchString(r.Path):
		refusal = Error(http.StatusBadRequest, 2500, 0, "Unknown path components: "+r.Path, "")
	case r.Query.Has("appsecret_proof") && r.Query.Get("appsecret_proof") != a.proof():
		refusal = Error(http.StatusBadRequest, 100, 0, "Invalid appsecret_proof provided in the API argument", "")
	default:
		return nil
	}
	return &refusal
}

func (a *API) proof() string {
	mac := hmac.New(sha256.New, []byte(a.account.AppSecret))
	mac.Write([]byte(a.account.Token))
	return hex.EncodeToString(mac.Sum(nil))
}

// refuse is the Graph API's answer to a request that is wrong.
func refuse(r *fakeapi.Request, f *is.Fault) Answer {
	switch f.Kind {
	case is.TooLarge:
		return Error(http.StatusRequestEntityTooLarge, 1, 0, "The request is too large", "")
	case is.NoRoute:
		return unknownObject(r)
	case is.Unknown:
		return Error(http.StatusBadRequest, 100, 0, fmt.Sprintf("(#100) Unexpected key %q.", f.Path), "")
	case is.Missing:
		return Error(http.StatusBadRequest, 131008, 0, "(#131008) Required parameter is missing", f.String())
	default:
		return Error(http.StatusBadRequest, 131009, 0, "(#131009) Parameter value is not valid", f.String())
	}
}

func unknownObject(r *fakeapi.Request) Answer {
	why := fmt.Sprintf("Unsupported %s request. Object with ID '%s' does not exist, cannot be loaded due to missing "+
		"permissions, or does not support this operation", strings.ToLower(r.Method), r.Path)
	return Error(http.StatusBadRequest, 100, 33, why, "")
}

// sent answers a message, or that one was read.
func (a *API) sent(r *fakeapi.Request) Answer {
	if r.Body["status"] != nil {
		return fakeapi.JSON(http.StatusOK, map[string]any{"success": true})
	}
	contact := map[string]any{"input": r.Body["recipient"], "user_id": r.Body["recipient"]}
	if to, ok := r.Body["to"]; ok {
		contact = map[string]any{"input": to, "wa_id": to}
	}
	a.lastID++
	return fakeapi.JSON(http.StatusOK, map[string]any{
		"messaging_product": "whatsapp", "contacts": []any{contact},
		"messages": []any{map[string]any{"id": fmt.Sprintf("wamid.HBgLMTY1MDU1NTEyMzQVAgARGBI%04d", a.lastID)}},
	})
}

// describe tells the fields of the number that are asked for, and the id.
func (a *API) describe(r *fakeapi.Request) Answer {
	told := map[string]any{"id": a.number["id"]}
	for _, field := range strings.Split(r.Query.Get("fields"), ",") {
		value, ok := a.number[field]
		if !ok {
			return Error(http.StatusBadRequest, 100, 0, fmt.Sprintf("(#100) Tried accessing nonexisting field (%s)", field), "")
		}
		told[field] = value
	}
	return fakeapi.JSON(http.StatusOK, told)
}

func (a *API) subscribed(*fakeapi.Request) Answer {
	data := []any{}
	for _, name := range a.apps {
		data = append(data, map[string]any{"whatsapp_business_api_data": map[string]any{"name": name, "id": "1"}})
	}
	return fakeapi.JSON(http.StatusOK, map[string]any{"data": data})
}
