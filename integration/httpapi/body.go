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

// Body is what a request says. It is held in memory, so that it can be sent again.
type Body struct {
	Bytes       []byte
	ContentType string
}

// JSON makes a body of a value; name stands for the call in the error.
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

// Form makes a body of a form's fields.
func Form(fields url.Values) Body {
	return Body{[]byte(fields.Encode()), "application/x-www-form-urlencoded"}
}

// Part is a field of a multipart form.
type Part struct {
	Name        string
	Filename    string // empty for what is no file
	ContentType string // empty for plain text
	Content     []byte
}

// Multipart makes a body of a form with files.
func Multipart(parts ...Part) Body {
	var b bytes.Buffer
	const heading = 512
	room := heading
	for _, p := range parts {
		room += heading + len(p.Content)
	}
	b.Grow(room) // at once, instead of doubling its way up
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
			_, _ = part.Write(p.Content) // into memory
		}
	}
	_ = w.Close() // as above
	return Body{b.Bytes(), w.FormDataContentType()}
}

// quoted escapes a text within quotation marks as browsers do.
func quoted(text string) string {
	return strings.NewReplacer("\\", "\\\\", `"`, "%22", "\r", "%0D", "\n", "%0A").Replace(text)
}

func oneLine(text string) string { return strings.NewReplacer("\r", "", "\n", "").Replace(text) }
