package meta

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/hiliosai/switchboard/integration/httpapi"
	"github.com/hiliosai/switchboard/integration/payload"
)

// The Graph API, https://developers.facebook.com/docs/graph-api/overview. Its versions live for about two years.
const (
	DefaultBase    = "https://graph.facebook.com"
	DefaultVersion = "v25.0"
)

// Graph calls the Graph API with one token.
type Graph struct {
	Client  *httpapi.Client
	Product string // such as "whatsapp", for errors
	Base    string // empty is DefaultBase
	Version string // empty is DefaultVersion
	Token   string
	// ProofSecret is the app secret where the app wants each call to prove that its caller knows it,
	// https://developers.facebook.com/docs/graph-api/guides/secure-requests; empty proves nothing.
	ProofSecret string
	Codes       Codes // of the product; those of the Graph API itself are known
}

// URL is that of a node or an edge of the graph, such as "1234/messages".
func (g *Graph) URL(path string, query url.Values) string {
	u := strings.TrimRight(cmp.Or(g.Base, DefaultBase), "/") + "/" + cmp.Or(g.Version, DefaultVersion) + "/" + path
	if g.ProofSecret != "" {
		mac := hmac.New(sha256.New, []byte(g.ProofSecret))
		mac.Write([]byte(g.Token))
		proof := url.Values{"appsecret_proof": {hex.EncodeToString(mac.Sum(nil))}}
		maps.Copy(proof, query)
		query = proof
	}
	if len(query) > 0 {
		u += "?" + query.Encode()
	}
	return u
}

// Header carries the token, also to the links of attachments.
func (g *Graph) Header() http.Header { return http.Header{"Authorization": {"Bearer " + g.Token}} }

// Post sends a body once and decodes the answer into out. Errors are *integration.Error. what names the call in them.
func (g *Graph) Post(ctx context.Context, what, path string, body httpapi.Body, out any) error {
	return g.call(ctx, httpapi.Request{Name: g.Product + " " + what, URL: g.URL(path, nil), Header: g.Header(), Body: body}, out)
}

// Get asks for a node. What was not answered may be asked again.
func (g *Graph) Get(ctx context.Context, what, path string, query url.Values, out any) error {
	return httpapi.Repeatable(g.call(ctx, httpapi.Request{
		Name: g.Product + " " + what, Method: http.MethodGet, URL: g.URL(path, query), Header: g.Header(),
	}, out))
}

func (g *Graph) call(ctx context.Context, r httpapi.Request, out any) error {
	answer, err := g.Client.Do(ctx, r)
	if err != nil {
		return err
	}
	var refused struct {
		Error *Failure `json:"error"`
	}
	// Every answer is a JSON object; one that is not comes from something on the way.
	foreign := payload.Unmarshal(answer.Body, &refused)
	switch {
	case foreign == nil && refused.Error != nil:
		return g.refusal(r.Name, answer, refused.Error)
	case answer.Status >= 300:
		return httpapi.Foreign(r.Name, answer)
	case foreign != nil:
		return httpapi.Unreadable(r.Name, answer.Status, foreign)
	}
	if err := payload.Unmarshal(answer.Body, out); err != nil {
		return httpapi.Unreadable(r.Name, answer.Status, err)
	}
	return nil
}
