package telegramtest

import (
	_ "embed" // of the shapes
	"encoding/json"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"github.com/hiliosai/switchboard/integration/fakeapi"
	"github.com/hiliosai/switchboard/integration/fakeapi/is"
)

// ChannelID is the chat id of every @channelname.
const ChannelID = -1001000000001

//go:embed shapes.json
var file []byte

// shapes are the shapes of the methods, by their names, and of their parts.
var shapes = is.Parse(file, own())

// own returns the rules that shapes cannot express.
func own() is.Shapes {
	rules := is.Shapes{
		"short text": is.Empty(is.UTF16(200)),
		"chat": is.Func(func(v any) *is.Fault {
			_, fault := chatOf(v)
			return is.Saying(fault)
		}),
		"at most 100 buttons": is.Func(func(v any) *is.Fault {
			if len(is.Every(v, "inline_keyboard.text")) > 100 {
				return is.Saying("reply markup is too long")
			}
			return nil
		}),
		"caption": is.Func(captionFault),
	}
	for field, m := range kinds {
		rules["a "+field], rules["an "+field] = is.Func(m.fault), is.Func(m.fault)
	}
	return rules
}

// textFault checks a text and its markup in an object that is in shape. name and entities are members of the object.
func textFault(v any, name, entities string, limit int) *is.Fault {
	text, mode, list := is.At[string](v, name), is.At[string](v, "parse_mode"), is.At[[]any](v, entities)
	shown, fault := Shown(text, mode)
	size := len(utf16.Encode([]rune(shown)))
	switch {
	case mode != "" && len(list) > 0:
		return is.Saying("parse_mode and entities exclude each other")
	case fault != "":
		return is.Saying(fault)
	case name != "caption" && strings.TrimSpace(shown) == "":
		return is.Saying("message text is empty")
	case size > limit:
		return is.Saying("message " + strings.TrimPrefix(name+" is too long", "text "))
	}
	for _, e := range list {
		offset, _ := is.At[json.Number](e, "offset").Int64()
		length, _ := is.At[json.Number](e, "length").Int64()
		switch {
		case offset+length > int64(size):
			return is.Saying("entity beginning or ending lies outside of the text")
		case splits(text, offset), splits(text, offset+length):
			return is.Saying("entity beginning or ending lies within a character")
		}
	}
	return nil
}

// splits says whether an offset, in UTF-16 units, lies within a character that has two of them.
func splits(text string, offset int64) bool {
	for _, r := range text {
		if offset <= 0 {
			break
		}
		offset -= int64(utf16.RuneLen(r))
	}
	return offset < 0
}

func captionFault(v any) *is.Fault { return textFault(v, "caption", "caption_entities", 1024) }

// chatOf returns a made-up chat with this chat_id.
func chatOf(id any) (chat map[string]any, fault string) {
	text, ok := id.(string)
	if n, number := id.(json.Number); number {
		text, ok = n.String(), true
	}
	n, err := strconv.ParseInt(text, 10, 64)
	switch name, named := strings.CutPrefix(text, "@"); {
	case !ok || text == "":
		return nil, "chat_id is empty"
	case named:
		return map[string]any{"id": ChannelID, "type": "channel", "title": name, "username": name}, ""
	case err != nil || n == 0:
		return nil, "chat not found"
	case n < 0:
		return map[string]any{"id": n, "type": "supergroup", "title": "Test group"}, ""
	default:
		return map[string]any{"id": n, "type": "private", "first_name": "Test"}, ""
	}
}

// media says how one kind of file is sent.
type media struct {
	maxSize int // in bytes
	noURL   bool
	byURL   []string // extensions of URLs that are taken; nil takes all
}

var kinds = map[string]*media{
	"photo": {maxSize: 10 << 20}, "video": {maxSize: maxUpload}, "animation": {maxSize: maxUpload},
	"audio": {maxSize: maxUpload}, "voice": {maxSize: maxUpload}, "video_note": {maxSize: maxUpload, noURL: true},
	"document": {maxSize: maxUpload, byURL: []string{"", ".pdf", ".zip", ".gif"}},
	"sticker":  {maxSize: maxUpload, byURL: []string{"", ".webp"}},
}

// maxUpload bounds a file that is uploaded, in bytes.
const maxUpload = 50 << 20

var fileID = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// fault checks a file, which is a part of the form, an id or a URL.
func (m *media) fault(v any) *is.Fault {
	text, _ := v.(string)
	file, uploaded := v.(fakeapi.File)
	u, err := url.Parse(text)
	link := err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
	switch {
	case uploaded && len(file.Content) == 0:
		return is.Saying("file must be non-empty")
	case uploaded && len(file.Content) > m.maxSize:
		return is.Saying("file is too big")
	case uploaded:
		return nil
	case link && m.byURL != nil && !slices.Contains(m.byURL, strings.ToLower(path.Ext(u.Path))):
		return is.Saying("wrong type of the web page content")
	case link && m.noURL, !link && !fileID.MatchString(text):
		return is.Saying("wrong file identifier/HTTP URL specified")
	}
	return nil
}

// mediaFault checks the files of an album, or the one file of an edit. All are of one group, and each file of the form
// is used.
func mediaFault(r *Request) *is.Fault {
	group := map[string]string{"photo": "visual", "video": "visual", "audio": "audio", "document": "document"}
	items, used := is.Every(r.Body, "media"), 0
	for _, item := range items {
		kind, text := is.At[string](item, "type"), is.At[string](item, "media")
		if group[kind] != group[is.At[string](items[0], "type")] {
			return is.Saying(kind + " can't be mixed with other media types")
		}
		var v any = text
		if name, ok := strings.CutPrefix(text, "attach://"); ok {
			used++
			if v = r.Files[name]; r.Files[name].Name == "" {
				return is.Saying("there is no " + kind + " in the request")
			}
		}
		if fault := kinds[kind].fault(v); fault != nil {
			return fault
		}
	}
	if used != len(r.Files) {
		return is.Saying("a file of the form is not used")
	}
	return nil
}

// pollFault refuses polls that are not anonymous in channels.
func pollFault(r *Request) *is.Fault {
	if chat, _ := chatOf(r.Body["chat_id"]); chat["type"] == "channel" && r.Body["is_anonymous"] == false {
		return is.Saying("non-anonymous polls can't be sent to channel chats")
	}
	return nil
}

// answerOnce refuses a second answer to a query.
func (s *Server) answerOnce(id, words string) *is.Fault {
	if s.answered[id] {
		return is.Saying(words)
	}
	s.answered[id] = true
	return nil
}

func (s *Server) callbackFault(r *Request) *is.Fault {
	return s.answerOnce(is.At[string](r.Body, "callback_query_id"), "query is too old, or its ID is invalid")
}

func (s *Server) guestFault(r *Request) *is.Fault {
	content := is.At[any](r.Body, "result.input_message_content")
	return is.First(textFault(content, "message_text", "entities", 4096),
		s.answerOnce(is.At[string](r.Body, "guest_query_id"), "QUERY_ID_INVALID"))
}
