package httpapi

import (
	"bytes"
	"encoding/json"
	"mime/multipart"
	"net/textproto"
	"net/url"
	"strings"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
)

// Body is the body of a request. It is held in memory, so that it can be sent again.
type Body struct {
	Bytes       []byte
	ContentType string
}

// JSON returns v as a JSON body. name names the call in the error, which is an *integration.Error.
func JSON(name string, v any) (Body, error) {
	encoded, err := json.Marshal(v)
	if err != nil {
		return Body{}, &integration.Error{
			Kind: integration.FaultInvalid, Code: codes.MessageInvalid, Message: name + ": the request cannot be encoded",
			Err: err,
		}
	}
	return Body{encoded, "application/json"}, nil
}

// Form returns a URL-encoded form as a body.
func Form(fields url.Values) Body {
	return Body{[]byte(fields.Encode()), "application/x-www-form-urlencoded"}
}

// Part is a field of a multipart form.
type Part struct {
	Name        string
	Filename    string // empty if the field is not a file
	ContentType string // empty means plain text
	Content     []byte
}

// Multipart returns a multipart form as a body, such as a form with files.
func Multipart(parts ...Part) Body {
	var b bytes.Buffer
	const heading = 512
	room := heading
	for _, p := range parts {
		room += heading + len(p.Content)
	}
	b.Grow(room) // one allocation for the whole body
	w := multipart.NewWriter(&b)
	for _, p := range parts {
		header := textproto.MIMEHeader{}
		disposition := `form-data; name="` + quoted(p.Name) + `"`
		if p.Filename != "" {
			disposition += `; filename="` + quoted(p.Filename) + `"`
		}
		header.Set("Content-Disposition", disposition)
		if p.ContentType != "" {
			header.Set("Content-Type", oneLine(p.ContentType))
		}
		part, err := w.CreatePart(header)
		if err == nil {
			_, _ = part.Write(p.Content) // a buffer never fails
		}
	}
	_ = w.Close() // a buffer never fails
	return Body{b.Bytes(), w.FormDataContentType()}
}

// quoted escapes a text for use between quotation marks, as browsers do.
func quoted(text string) string {
	return strings.NewReplacer("\\", "\\\\", `"`, "%22", "\r", "%0D", "\n", "%0A").Replace(text)
}

func oneLine(text string) string { return strings.NewReplacer("\r", "", "\n", "").Replace(text) }
