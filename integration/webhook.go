package integration

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"strings"
	"time"

	"github.com/hiliosai/switchboard/action/codes"
)

// Bounds of a form. A body is larger than all that is read from it, so its size bounds the memory.
const (
	maxFormBytes  = 16 << 20
	maxFormValues = 1000 // values and files together
)

// Webhook is one delivery of a platform. It is used by one goroutine at a time.
type Webhook struct {
	TenantID  string
	ChannelID string
	Platform  string
	Method    string // of the request, such as "POST"; empty where the gateway did not pass it
	// URL is the public URL that the platform called, query included; "" if it is unknown. See SignedURL.
	URL string
	// ContentType is the header content-type as it came, parameters included.
	ContentType string
	// Payload is the body as JSON. If the signed bytes are JSON, it is these. For any other body, such as a form or XML,
	// the gateway made it, and it must not be trusted: use Form or RawBody.
	Payload json.RawMessage
	// RawBody is the body as the platform sent it, nil when the gateway did not keep it.
	RawBody   []byte
	Headers   Headers
	Timestamp time.Time // when the gateway received it
	Channel   *Channel
	// Connection says that it came over a connection that the node opened itself, see [Receiver]: nothing is signed.
	Connection bool
	// Account is the one that the webhook is for, by [Definition.AccountPath]. It is empty where AccountPath is not
	// declared or not in the payload.
	Account string

	called  string // path and query, or an absolute URL, as the gateway passed it
	form    *form  // nil until asked for
	foreign []string
}

// FormFile is a file of a multipart form.
type FormFile struct {
	Field    string // name of the form's field
	Filename string // as it was sent; never a path to be opened
	MimeType string
	Content  []byte
}

// form is what was read from a body.
type form struct {
	body        []byte
	contentType string
	values      url.Values
	files       []FormFile
	err         error
}

// isOf says whether the form was read from w's present body. A copy of a webhook may get another body.
func (f *form) isOf(w *Webhook) bool {
	return f.contentType == w.ContentType && len(f.body) == len(w.RawBody) &&
		(len(f.body) == 0 || &f.body[0] == &w.RawBody[0])
}

// Foreign says that a part of the webhook is for another account than the channel's, such as "phone number 123",
// and that Normalize left it out. The part is counted as ignored, and logged. It is for use in Normalize.
func (w *Webhook) Foreign(whose string) { w.foreign = append(w.foreign, whose) }

// SignedBody returns the body to check a signature over. JSON that was parsed and encoded again has other bytes, so a
// webhook without the raw body is refused. The error says what to change at the gateway.
func (w *Webhook) SignedBody() ([]byte, error) {
	if w.RawBody == nil {
		return nil, &Error{
			Kind: FaultInvalid, Code: codes.RawBodyMissing,
			Message: "the signature covers the raw body, and none came: " +
				"let the gateway keep it and pass it as rawBody (see examples/gateway)",
		}
	}
	return w.RawBody, nil
}

// SignedURL returns the URL to check a signature over. A webhook without one is refused; the error says what to set.
func (w *Webhook) SignedURL() (string, error) {
	if w.URL == "" {
		return "", &Error{
			Kind: FaultInvalid, Code: codes.PublicURLMissing,
			Message: "the signature covers the URL that the platform called, and it is not known: " +
				"set the channel's publicUrl, such as https://hooks.example.com/, " +
				"or webhooks.trustForwarded of the node, and let the gateway pass url (see examples/gateway)",
		}
	}
	return w.URL, nil
}

// Query returns the parameters of the URL. Malformed ones are left out.
func (w *Webhook) Query() url.Values {
	_, query, _ := strings.Cut(cmp.Or(w.called, w.URL), "?")
	values, _ := url.ParseQuery(query)
	return values
}

// Form returns the fields of a form, urlencoded or multipart, from the raw body. The body is parsed at the first call.
// Errors are *Error, also if the body is not a form.
func (w *Webhook) Form() (url.Values, error) {
	f := w.parsedForm()
	return f.values, f.err
}

// Files returns the files of a multipart form; an urlencoded form has none. The errors are those of [Webhook.Form].
func (w *Webhook) Files() ([]FormFile, error) {
	f := w.parsedForm()
	return f.files, f.err
}

func (w *Webhook) parsedForm() *form {
	if w.form == nil || !w.form.isOf(w) {
		w.form = &form{body: w.RawBody, contentType: w.ContentType}
		if err := w.form.parse(w); err != nil {
			w.form.values, w.form.files, w.form.err = nil, nil, err
		}
	}
	return w.form
}

func (f *form) parse(w *Webhook) error {
	body, err := w.SignedBody()
	if err != nil {
		return err
	}
	if len(body) > maxFormBytes {
		return tooLarge("the form has %d bytes; at most %d are taken", len(body), maxFormBytes)
	}
	kind, params, err := mime.ParseMediaType(w.ContentType)
	switch {
	case err == nil && kind == "application/x-www-form-urlencoded":
		return f.parseURLEncoded(body)
	case err == nil && kind == "multipart/form-data":
		return f.parseMultipart(body, params["boundary"])
	default:
		return noForm("the content type %q is not that of a form", w.ContentType)
	}
}

func (f *form) parseURLEncoded(body []byte) (err error) {
	if bytes.Count(body, []byte("&")) >= maxFormValues {
		return tooLarge("the form has more than %d values", maxFormValues)
	}
	if f.values, err = url.ParseQuery(string(body)); err != nil {
		return noForm("the body is not a valid form")
	}
	return nil
}

func (f *form) parseMultipart(body []byte, boundary string) error {
	// the reader takes the end of some bodies that were cut off for theirs
	if !bytes.Contains(body, []byte("--"+boundary+"--")) {
		return noForm("the multipart form has no end")
	}
	f.values = url.Values{}
	parts := multipart.NewReader(bytes.NewReader(body), boundary)
	for range maxFormValues {
		part, err := parts.NextPart()
		if err == io.EOF { //nolint:errorlint // NextPart gives it as it is
			return nil
		}
		var content []byte
		if err == nil {
			content, err = io.ReadAll(part)
		}
		if err != nil {
			return noForm("the body is not a valid multipart form")
		}
		if name := part.FileName(); name == "" {
			f.values.Add(part.FormName(), string(content))
		} else {
			f.files = append(f.files, FormFile{part.FormName(), name, part.Header.Get("Content-Type"), content})
		}
	}
	return tooLarge("the form has more than %d parts", maxFormValues-1)
}

func tooLarge(format string, args ...any) *Error {
	return &Error{Kind: FaultInvalid, Code: codes.WebhookTooLarge, Message: fmt.Sprintf(format, args...)}
}

func noForm(format string, args ...any) *Error {
	return &Error{Kind: FaultInvalid, Code: codes.WebhookInvalid, Message: fmt.Sprintf(format, args...)}
}

// maxURL bounds, in bytes, the URL of a webhook.
const maxURL = 8 << 10

// setChannel makes the webhook that of a channel.
func (w *Webhook) setChannel(ch *Channel, trustForwarded bool) {
	w.TenantID, w.ChannelID, w.Channel = ch.TenantID, ch.ID, ch
	w.URL = publicURL(w.called, &w.Headers, ch, trustForwarded)
}

// publicURL returns the URL that a platform called, "" if it is unknown. called comes from the gateway: path and query,
// or an absolute URL.
//
// The channel's publicUrl has priority. If it ends with a slash or has no path, it is the base of all paths. Otherwise
// it is the whole URL, and only the query is added. Headers are used only if the node trusts them: if a gateway does
// not set them itself, anybody can send them.
func publicURL(called string, headers *Headers, ch *Channel, trustForwarded bool) string {
	scheme, rest, absolute := strings.Cut(called, "://")
	if absolute = absolute && (scheme == "http" || scheme == "https"); absolute {
		_, path, _ := strings.Cut(rest, "/")
		rest = "/" + path
	} else {
		rest = called
	}
	if base := ch.Settings[settingPublicURL]; base != "" {
		return joinURL(base, rest)
	}
	switch {
	case !trustForwarded || called == "":
		return ""
	case absolute:
		return called
	}
	scheme, host := first(headers.Get("x-forwarded-proto")), first(headers.Get("x-forwarded-host"))
	if host == "" {
		host = headers.Get("host")
	}
	if scheme != "http" && scheme != "https" || host == "" || strings.ContainsAny(host, "/?#@ ") || rest[0] != '/' {
		return ""
	}
	return scheme + "://" + host + rest
}

// joinURL joins a publicUrl with the path and query that were called.
func joinURL(base, called string) string {
	_, afterScheme, _ := strings.Cut(base, "://")
	if strings.Contains(afterScheme, "/") && !strings.HasSuffix(base, "/") { // the whole URL
		if _, query, ok := strings.Cut(called, "?"); ok {
			return base + "?" + query
		}
		return base
	}
	if !strings.HasPrefix(called, "/") {
		return "" // the gateway does not pass it
	}
	return strings.TrimSuffix(base, "/") + called
}

// first returns the first value of a header that proxies append to.
func first(list string) string {
	value, _, _ := strings.Cut(list, ",")
	return strings.TrimSpace(value)
}

// validateWebhook runs the platform's own checks of structure and signature.
func (s *platformService) validateWebhook(ctx context.Context, w *Webhook) error {
	if v, ok := s.def.Platform.(WebhookValidator); ok {
		if err := v.ValidateWebhook(ctx, w); err != nil {
			return asError(err, FaultInvalid, codes.WebhookInvalid)
		}
	}
	if s.signature != nil {
		if err := s.signature.ValidateSignature(ctx, w); err != nil {
			return asError(err, FaultUnauthorized, codes.SignatureInvalid)
		}
	}
	return nil
}
