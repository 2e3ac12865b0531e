// Package whatsapptest is a fake of WhatsApp's Graph API for tests and demonstrations. It has the calls that one
// business phone number of the WhatsApp Business Cloud API needs. It is stricter than WhatsApp: it refuses fields and
// values that are not documented, and it refuses at once messages that WhatsApp would accept but not deliver.
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

// Account is the business account that the API serves.
type Account struct {
	Token         string
	PhoneNumberID string
	WABAID        string
	AppSecret     string // checks the appsecret_proof of calls that have one
}

// API is the Graph API of one account. It records the requests that have the right token. It is safe for concurrent
// use.
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

// New returns an API whose phone number is connected and has a good quality rating.
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

// Answer scripts the answers to the next calls, in order. Each answer is used once.
func (a *API) Answer(answers ...Answer) { a.Script("", answers...) }

// SetNumber changes a field of the phone number, such as "status".
func (a *API) SetNumber(field string, value any) { a.Locked(func() { a.number[field] = value }) }

// SetApps changes the names of the apps that receive the account's webhooks.
func (a *API) SetApps(names ...string) { a.Locked(func() { a.apps = names }) }

// Error returns an answer with the Graph API's error object. subcode may be 0, and details may be empty.
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

// admit checks the token, the API version in the path, and the appsecret_proof. It also answers downloads.
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

// proof returns the appsecret_proof of the account's token.
func (a *API) proof() string {
	mac := hmac.New(sha256.New, []byte(a.account.AppSecret))
	mac.Write([]byte(a.account.Token))
	return hex.EncodeToString(mac.Sum(nil))
}

// refuse returns the Graph API's answer to a wrong request.
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

// sent answers a message, or a call that marks a message as read.
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

// describe answers with the requested fields of the phone number, and its id.
func (a *API) describe(r *fakeapi.Request) Answer {
	number := map[string]any{"id": a.number["id"]}
	for _, field := range strings.Split(r.Query.Get("fields"), ",") {
		value, ok := a.number[field]
		if !ok {
			return Error(http.StatusBadRequest, 100, 0, fmt.Sprintf("(#100) Tried accessing nonexisting field (%s)", field), "")
		}
		number[field] = value
	}
	return fakeapi.JSON(http.StatusOK, number)
}

// subscribed answers with the apps that receive the account's webhooks.
func (a *API) subscribed(*fakeapi.Request) Answer {
	data := []any{}
	for _, name := range a.apps {
		data = append(data, map[string]any{"whatsapp_business_api_data": map[string]any{"name": name, "id": "1"}})
	}
	return fakeapi.JSON(http.StatusOK, map[string]any{"data": data})
}
