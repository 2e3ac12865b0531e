package telegramtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"slices"
)

// maxBody bounds, in bytes, what a request may bring along; one file may have [maxUpload].
const maxBody = 64 << 20

// File is one that was uploaded with a request.
type File struct {
	Name     string // such as "report.pdf"
	MimeType string
	Content  []byte
}

// input is what a request says: its parameters as one JSON object, whatever they came as.
type input struct {
	params []byte
	files  map[string]File // by the names of their parts
}

// textParams are the parameters that are texts. A form has all values as texts, and those of any other type are
// written as JSON there.
var textParams = []string{
	"business_connection_id", "text", "parse_mode", "message_effect_id", "caption", "photo", "video", "animation", "audio", "document", "voice",
	"video_note", "sticker", "emoji", "performer", "title", "address", "phone_number", "first_name", "last_name", "vcard", "question", "thumbnail",
}

func readInput(contentType string, body []byte) (*input, error) {
	media, fields, _ := mime.ParseMediaType(contentType)
	switch media {
	case "application/json":
		return &input{params: body}, nil
	case "multipart/form-data":
	default: // what comes in another way is not looked at
		return &input{params: []byte("{}")}, nil
	}
	form := multipart.NewReader(bytes.NewReader(body), fields["boundary"])
	in := &input{files: map[string]File{}}
	params := map[string]json.RawMessage{}
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("can't parse the form: %w", err)
		}
		content, err := io.ReadAll(part)
		if err != nil {
			return nil, fmt.Errorf("can't parse the form: %w", err)
		}
		name := part.FormName()
		switch {
		case part.FileName() != "":
			in.files[name] = File{part.FileName(), part.Header.Get("Content-Type"), content}
		case slices.Contains(textParams, name) || name == "chat_id" && !json.Valid(content):
			quoted, err := json.Marshal(string(content))
			if err != nil {
				return nil, err
			}
			params[name] = quoted
		case !json.Valid(content):
			return nil, fmt.Errorf("can't parse the parameter %s", name)
		default:
			params[name] = content
		}
	}
	var err error
	in.params, err = json.Marshal(params)
	return in, err
}

// decode is strict: every member must be known and of the documented type, and every file must be asked for.
func (in *input) decode(params any, files ...string) error {
	decoder := json.NewDecoder(bytes.NewReader(in.params))
	decoder.DisallowUnknownFields()
	decoder.UseNumber()
	if err := decoder.Decode(params); err != nil {
		return fmt.Errorf("can't parse the parameters: %w", err)
	}
	for name := range in.files {
		if !slices.Contains(files, name) {
			return fmt.Errorf("there is no file parameter %s", name)
		}
	}
	return nil
}
