package meta

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/url"
	"strings"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// The Graph API, https://developers.facebook.com/docs/graph-api/overview. Its versions live for about two years.
const (
	DefaultBase    = "https://graph.facebook.com"
	DefaultVersion = "v25.0"
)

// Graph calls the Graph API with one token. Safe for concurrent use.
type Graph struct {
	httpapi.API
	proof string // appsecret_proof of the token, "" if calls have none
}

// Options configure a [Graph].
type Options struct {
	Client  *httpapi.Client
	Product string // such as "whatsapp", for errors
	Base    string // "" means DefaultBase
	Version string // "" means DefaultVersion
	Token   string
	// ProofSecret is the app secret if the app requires appsecret_proof in each call,
	// https://developers.facebook.com/docs/graph-api/guides/secure-requests; else "".
	ProofSecret string
	Errors      *integration.ErrorTable // see ErrorTable
}

// New returns a Graph.
func New(o Options) *Graph {
	g := &Graph{API: httpapi.API{
		Client: o.Client, Name: o.Product, Errors: o.Errors, Read: read,
		Base:   strings.TrimRight(cmp.Or(o.Base, DefaultBase), "/") + "/" + cmp.Or(o.Version, DefaultVersion) + "/",
		Header: httpapi.Bearer(o.Token), // also for the links of attachments
	}}
	if o.ProofSecret != "" {
		mac := hmac.New(sha256.New, []byte(o.ProofSecret))
		mac.Write([]byte(o.Token))
		g.proof = hex.EncodeToString(mac.Sum(nil))
	}
	return g
}

// path returns the path of a node or an edge of the graph, such as "1234/messages", with its query.
func (g *Graph) path(path string, query url.Values) string {
	if g.proof != "" {
		proven := url.Values{"appsecret_proof": {g.proof}}
		maps.Copy(proven, query)
		query = proven
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return path
}

// Post sends a body once and decodes the answer into out. Errors are *integration.Error; name is the name of the call
// in them.
func (g *Graph) Post(ctx context.Context, name, path string, body httpapi.Body, out any) error {
	_, err := g.Do(ctx, httpapi.Call{Name: name, Path: g.path(path, nil), Body: body}, out)
	return err
}

// Get gets a node and decodes it into out. Errors are as of Post; a call without an answer may be retried.
func (g *Graph) Get(ctx context.Context, name, path string, query url.Values, out any) error {
	_, err := g.Ask(ctx, httpapi.Get(name, g.path(path, query)), out)
	return err
}
