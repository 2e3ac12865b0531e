package discordtest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// use is what a message is sent for: not every call takes everything.
type use int

const (
	newMessage use = iota
	edit
	firstAnswer
	laterAnswer
)

// message has the documented parameters of all calls that make a message or change one.
type message struct {
	Content         *string          `json:"content"`
	Embeds          []embed          `json:"embeds"`
	Components      []component      `json:"components"`
	StickerIDs      []string         `json:"sticker_ids"`
	Poll            *poll            `json:"poll"`
	Attachments     []attachment     `json:"attachments"`
	Flags           int              `json:"flags"`
	Reference       *reference       `json:"message_reference"`
	AllowedMentions *allowedMentions `json:"allowed_mentions"`
	Nonce           *string          `json:"nonce"`
	EnforceNonce    bool             `json:"enforce_nonce"`
}

type embed struct {
	Image *struct {
		URL string `json:"url"`
	} `json:"image"`
}

type allowedMentions struct {
	Parse *[]string `json:"parse"`
}

type reference struct {
	MessageID       string `json:"message_id"`
	FailIfNotExists *bool  `json:"fail_if_not_exists"`
}

type attachment struct {
	ID           *int    `json:"id"`
	Filename     string  `json:"filename"`
	Description  string  `json:"description"`
	DurationSecs float64 `json:"duration_secs"`
	Waveform     string  `json:"waveform"`
}

type component struct {
	Type        int         `json:"type"`
	Components  []component `json:"components"`
	Style       int         `json:"style"`
	Label       string      `json:"label"`
	CustomID    string      `json:"custom_id"`
	URL         string      `json:"url"`
	Placeholder string      `json:"placeholder"`
	Options     []option    `json:"options"`
}

type option struct {
	Label       string `json:"label"`
	Value       string `json:"value"`
	Description string `json:"description"`
}

type text struct {
	Text string `json:"text"`
}

type poll struct {
	Question *text `json:"question"`
	Answers  []struct {
		PollMedia *text `json:"poll_media"`
	} `json:"answers"`
	AllowMultiselect bool `json:"allow_multiselect"`
}

const (
	flagSilent    = 1 << 12
	flagVoice     = 1 << 13
	flagNoEmbeds  = 1 << 2
	flagEphemeral = 1 << 6
)

// message decodes a call's message and says what Discord would say of it.
func (c *call) message(purpose use) (*message, *Response) {
	var m message
	decoder := json.NewDecoder(bytes.NewReader(c.raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&m); err != nil {
		return nil, new(invalidForm("", "BASE_TYPE_BAD", err.Error()))
	}
	for _, check := range []*Response{m.whole(purpose, len(c.request.Files)), m.parts(purpose), m.uploads(c.request.Files), checkRows(m.Components)} {
		if check != nil {
			return nil, check
		}
	}
	return &m, nil
}

// whole looks at what a message is made of.
func (m *message) whole(purpose use, files int) *Response {
	switch {
	case m.AllowedMentions == nil || m.AllowedMentions.Parse == nil:
		return required("allowed_mentions.parse") // of this server, so that nobody is notified by another's text
	case len(*m.AllowedMentions.Parse) > 0:
		return new(invalidForm("allowed_mentions.parse", "BASE_TYPE_CHOICES", "nobody may be notified"))
	case m.Content != nil && utf8.RuneCountInString(*m.Content) > 2000:
		return tooLong("content", 2000)
	case purpose == edit && (m.Content == nil || m.Embeds == nil || m.Components == nil || m.Attachments == nil):
		return required("content, embeds, components, attachments") // of this server: what is not named stays
	case purpose == edit && m.Poll != nil:
		return new(Failure(http.StatusForbidden, 520003, "Cannot edit a poll message", nil))
	case purpose != newMessage && (m.Nonce != nil || m.EnforceNonce || m.Reference != nil || m.StickerIDs != nil || m.Flags&flagVoice != 0):
		return new(invalidForm("", "BASE_TYPE_BAD", "this call has no such field"))
	case m.EnforceNonce != (m.Nonce != nil):
		return required("nonce, enforce_nonce") // of this server: neither is of use alone
	case m.Nonce != nil && (*m.Nonce == "" || utf8.RuneCountInString(*m.Nonce) > 25):
		return tooLong("nonce", 25)
	case m.Flags&^allowedFlags[purpose] != 0:
		return new(invalidForm("flags", "MESSAGE_FLAGS_INVALID", "flags that cannot be set"))
	case m.Flags&flagVoice != 0:
		return m.voice(files)
	case (m.Content == nil || strings.TrimSpace(*m.Content) == "") && len(m.Embeds)+len(m.StickerIDs)+files == 0 && m.Poll == nil:
		return new(Failure(http.StatusBadRequest, 50006, "Cannot send an empty message", nil))
	}
	return nil
}

var allowedFlags = map[use]int{newMessage: flagSilent | flagVoice | flagNoEmbeds, edit: flagNoEmbeds, firstAnswer: flagNoEmbeds, laterAnswer: flagSilent | flagNoEmbeds | flagEphemeral}

func (m *message) voice(files int) *Response {
	switch {
	case m.Content != nil && *m.Content != "" || len(m.Embeds)+len(m.StickerIDs)+len(m.Components) > 0 || m.Poll != nil:
		return new(Failure(http.StatusBadRequest, 50159, "Voice messages do not support additional content.", nil))
	case files != 1 || len(m.Attachments) != 1:
		return new(Failure(http.StatusBadRequest, 50160, "Voice messages must have a single audio attachment.", nil))
	}
	points, err := base64.StdEncoding.DecodeString(m.Attachments[0].Waveform)
	if err != nil || len(points) == 0 || len(points) > 256 || m.Attachments[0].DurationSecs <= 0 {
		return new(Failure(http.StatusBadRequest, 50161, "Voice messages must have supporting metadata.", nil))
	}
	return nil
}

// parts looks at each of the parts but the files and the components.
func (m *message) parts(purpose use) *Response {
	if len(m.Embeds) > 10 {
		return tooLong("embeds", 10)
	}
	for i, e := range m.Embeds {
		if e.Image == nil || !isURL(e.Image.URL) {
			return new(invalidForm(fmt.Sprintf("embeds.%d.image.url", i), "URL_TYPE_INVALID_URL", "Not a well formed URL."))
		}
	}
	if len(m.StickerIDs) > 3 {
		return tooLong("sticker_ids", 3)
	}
	for i, id := range m.StickerIDs {
		if !snowflake.MatchString(id) {
			return new(invalidForm(fmt.Sprintf("sticker_ids.%d", i), "NUMBER_TYPE_COERCE", fmt.Sprintf("Value %q is not snowflake.", id)))
		}
	}
	if r := m.Reference; r != nil && (!snowflake.MatchString(r.MessageID) || r.FailIfNotExists == nil) {
		return required("message_reference.message_id") // and fail_if_not_exists, of this server
	}
	if m.Poll != nil {
		return m.Poll.fault()
	}
	return nil
}

func (p *poll) fault() *Response {
	switch {
	case p.Question == nil || p.Question.Text == "":
		return required("poll.question")
	case utf8.RuneCountInString(p.Question.Text) > 300:
		return tooLong("poll.question.text", 300)
	case len(p.Answers) == 0:
		return required("poll.answers")
	case len(p.Answers) > 10:
		return tooLong("poll.answers", 10)
	}
	for i, a := range p.Answers {
		field := fmt.Sprintf("poll.answers.%d.poll_media.text", i)
		if a.PollMedia == nil || a.PollMedia.Text == "" {
			return required(field)
		}
		if utf8.RuneCountInString(a.PollMedia.Text) > 55 {
			return tooLong(field, 55)
		}
	}
	return nil
}

// uploads looks whether the files are those that the attachments name.
func (m *message) uploads(files map[string][]byte) *Response {
	if len(files) > 10 || len(m.Attachments) > 10 {
		return new(Failure(http.StatusBadRequest, 30015, "Maximum number of attachments in a message reached (10)", nil))
	}
	if len(files) != len(m.Attachments) {
		return new(invalidForm("attachments", "ATTACHMENT_NOT_FOUND", "There are other attachments than files"))
	}
	total := 0
	for _, a := range m.Attachments {
		if a.ID == nil || a.Filename == "" {
			return required("attachments.0.id") // and filename, of this server
		}
		if m.Flags&flagVoice == 0 && (a.Waveform != "" || a.DurationSecs != 0) {
			return new(invalidForm("flags", "BASE_TYPE_REQUIRED", "only a voice message has a waveform"))
		}
		if utf8.RuneCountInString(a.Description) > 1024 {
			return tooLong("attachments.0.description", 1024)
		}
		found := false
		for name, content := range files {
			if strings.HasPrefix(name, fmt.Sprintf("files[%d] %s ", *a.ID, a.Filename)) {
				found = !strings.HasSuffix(name, " ") // without a type
				if total += len(content); len(content) > 20<<20 {
					return new(Failure(http.StatusRequestEntityTooLarge, 40005, "Request entity too large", nil))
				}
			}
		}
		if !found {
			return new(invalidForm("attachments", "ATTACHMENT_NOT_FOUND", "An attachment's file is not there"))
		}
	}
	if total > 25<<20 {
		return new(Failure(http.StatusRequestEntityTooLarge, 40005, "Request entity too large", nil))
	}
	return nil
}

// checkRows looks at action rows, "Legacy Message Component Behavior".
func checkRows(rows []component) *Response {
	if len(rows) > 5 {
		return tooLong("components", 5)
	}
	seen := map[string]bool{}
	for i, row := range rows {
		field := fmt.Sprintf("components.%d", i)
		if row.Type != 1 {
			return new(invalidForm(field+".type", "UNION_TYPE_CHOICES", "Value of field \"type\" must be one of (1,)."))
		}
		if len(row.Components) == 0 || len(row.Components) > 5 || row.Components[0].Type == 3 && len(row.Components) > 1 {
			return new(invalidForm(field+".components", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length."))
		}
		for n := range row.Components {
			if fault := row.Components[n].fault(fmt.Sprintf("%s.components.%d", field, n), seen); fault != nil {
				return fault
			}
		}
	}
	return nil
}

func (c *component) fault(field string, seen map[string]bool) *Response {
	long := func(text string, most int) bool { return text == "" || utf8.RuneCountInString(text) > most }
	if c.CustomID != "" {
		if seen[c.CustomID] {
			return new(invalidForm(field+".custom_id", "COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id cannot be duplicated"))
		}
		seen[c.CustomID] = true
	}
	switch {
	case c.Type != 2 && c.Type != 3:
		return new(invalidForm(field+".type", "UNION_TYPE_CHOICES", "Value of field \"type\" must be one of (2, 3)."))
	case c.Type == 2 && long(c.Label, 80):
		return new(invalidForm(field+".label", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 80 in length."))
	case c.Type == 2 && (c.Style < 1 || c.Style > 5):
		return required(field + ".style")
	case c.Type == 2 && c.Style == 5:
		if c.CustomID != "" || !isURL(c.URL) || utf8.RuneCountInString(c.URL) > 512 {
			return new(invalidForm(field+".url", "URL_TYPE_INVALID_URL", "Not a well formed URL."))
		}
		return nil
	case c.URL != "" || long(c.CustomID, 100):
		return new(invalidForm(field+".custom_id", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length."))
	case c.Type == 2:
		return nil
	case utf8.RuneCountInString(c.Placeholder) > 150:
		return tooLong(field+".placeholder", 150)
	case len(c.Options) == 0 || len(c.Options) > 25:
		return new(invalidForm(field+".options", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 25 in length."))
	}
	values := map[string]bool{}
	for i, o := range c.Options {
		if long(o.Label, 100) || long(o.Value, 100) || utf8.RuneCountInString(o.Description) > 100 || values[o.Value] {
			return new(invalidForm(fmt.Sprintf("%s.options.%d", field, i), "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED", "An option is too long, empty or there twice"))
		}
		values[o.Value] = true
	}
	return nil
}

func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "discord" || u.Host != "" && (u.Scheme == "http" || u.Scheme == "https"))
}
