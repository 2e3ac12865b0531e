package telegramtest

import (
	"encoding/json"
	"math"
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

// ChannelID is the chat id behind every @channelname.
const ChannelID = -1001000000001

const many = math.MaxInt32

var (
	id   = is.Integer(1, math.MaxInt64)
	chat = is.Says("chat not found", is.Func(func(v any) *is.Fault {
		_, fault := chatOf(v)
		return is.Saying(fault)
	})).WhenMissing("chat_id is empty")

	// common are the parameters of all methods of sending, plain those of albums, which have no buttons.
	common = plain.With(is.Object{"reply_markup": keyboard})
	plain  = is.Object{
		"business_connection_id": is.Text(100), "chat_id!": chat, "message_thread_id": id, "direct_messages_topic_id": id,
		"disable_notification": is.Bool, "protect_content": is.Bool, "allow_paid_broadcast": is.Bool,
		"message_effect_id": is.Text(100), "suggested_post_parameters": is.Any,
		"reply_parameters": is.Object{
			"message_id!": is.Says(`parameter "message_id" of reply_parameters is missing`, id), "chat_id": chat,
			"allow_sending_without_reply": is.Bool, "quote": is.Says("QUOTE_TEXT_INVALID", is.UTF16(1024)),
		},
	}
	// target names a message that is there already.
	target = is.Object{
		"business_connection_id": is.Text(100), "chat_id!": chat,
		"message_id!": is.Says("message identifier is not specified", id),
	}
	keyboard = is.All(is.Object{
		"inline_keyboard!": is.Says("", is.List(0, many, is.List(0, many, is.All(is.Object{
			"text!":         is.Says(`can't parse inline keyboard button: field "text" must be non-empty`, is.Text(many)),
			"style":         is.Says("invalid button style specified", is.OneOf("danger", "success", "primary")),
			"callback_data": is.Says("BUTTON_DATA_INVALID", is.Bytes(64)),
			"url":           is.Says("inline keyboard button URL is invalid", is.Link(many, "http", "https", "tg")),
		}, is.Exactly("callback_data", "url"))))).WhenMissing("object expected as reply markup: only inline_keyboard is known"),
	}, is.Func(func(v any) *is.Fault {
		if len(is.Every(v, "inline_keyboard.text")) > 100 {
			return is.Saying("reply markup is too long")
		}
		return nil
	}))

	parseMode = is.Says("unsupported parse_mode", is.OneOf("HTML", "MarkdownV2"))
	noText    = is.Says("message text is empty", is.Text(many))
	texts     = is.Object{"text!": noText, "parse_mode": parseMode, "entities": entities, "link_preview_options": is.Any}
	captions  = is.Object{"caption": is.String(many), "parse_mode": parseMode, "caption_entities": entities}
	sizes     = is.Object{"duration": id, "width": id, "height": id}

	coordinate = "wrong latitude or longitude specified"
	noPoint    = "latitude or longitude is empty"
	point      = is.Object{
		"latitude!":  is.Says(coordinate, is.Number(-90, 90)).WhenMissing(noPoint),
		"longitude!": is.Says(coordinate, is.Number(-180, 180)).WhenMissing(noPoint),
	}
	poll = is.Object{
		"question!": is.Says("poll question must be non-empty", is.UTF16(300)).WhenTooLong("poll question is too long"),
		"options!": is.Says("poll must have 1 to 12 options", is.List(1, 12, is.Object{
			"text!": is.Says("poll option must be non-empty", is.UTF16(100)).WhenTooLong("poll option is too long"),
		})),
		"is_anonymous": is.Bool, "type": is.OneOf("regular"), "allows_multiple_answers": is.Bool, "is_closed": is.Bool,
	}
	reaction = is.Says("REACTIONS_TOO_MANY", is.List(0, 1, is.Says("REACTION_INVALID", is.Union("type", map[string]is.Object{
		"emoji": {"emoji!": is.OneOf(reactions...)}, "custom_emoji": {"custom_emoji_id!": is.Text(100)},
	}))))
	article = is.Says("can't parse inline query result: only articles are known", is.Union("type", map[string]is.Object{
		"article": {
			"id!":          is.Says("RESULT_ID_INVALID", is.Bytes(64)),
			"title!":       is.Says("can't parse inline query result: title must be non-empty", is.Text(many)),
			"reply_markup": keyboard, "input_message_content!": is.Object{
				"message_text!": noText, "parse_mode": parseMode, "entities": entities,
			},
		},
	}))

	// reactions are the emoji of "ReactionTypeEmoji".
	reactions = strings.Fields("❤ 👍 👎 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🕊 🤡 🥱 🥴 😍 🐳 ❤\u200d🔥 🌚 🌭 💯 🤣 ⚡ 🍌 🏆 " +
		"💔 🤨 😐 🍓 🍾 💋 🖕 😈 😴 😭 🤓 👻 👨\u200d💻 👀 🎃 🙈 😇 😨 🤝 ✍ 🤗 🫡 🎅 🎄 ☃ 💅 🤪 🗿 🆒 💘 🙉 🦄 😘 💊 🙊 😎 👾 🤷\u200d♂ 🤷 " +
		"🤷\u200d♀ 😡")
	chatActions = strings.Fields(`typing upload_photo record_video upload_video record_voice upload_voice upload_document
		choose_sticker find_location record_video_note upload_video_note`)
)

// entities are "MessageEntity".
var entities = is.List(0, 100, is.Says("can't parse MessageEntity: Unsupported type specified", is.Union("type", entityTypes())))

func entityTypes() map[string]is.Object {
	const missing, outside = "can't parse MessageEntity: a field is missing", "entity lies outside of the text"
	span := is.Object{"offset!": is.Says(outside, is.Integer(0, many)), "length!": is.Says(outside, id)}
	types := map[string]is.Object{
		"pre": span.With(is.Object{"language": is.Text(100)}), "text_link": span.With(is.Object{"url!": is.Says(missing, link)}),
		"text_mention": span.With(is.Object{"user!": is.Says(missing, is.Object{"id!": id})}),
		"custom_emoji": span.With(is.Object{"custom_emoji_id!": is.Says(missing, is.Text(100))}),
	}
	for _, name := range strings.Fields(`mention hashtag cashtag bot_command url email phone_number bold italic underline
		strikethrough spoiler blockquote expandable_blockquote code date_time`) {
		types[name] = span
	}
	return types
}

var link = is.Link(many, "http", "https", "tg")

// textFault looks at a text with its markup: the shape of the object is right. names are those of the text and of its
// entities.
func textFault(v any, names [2]string, limit int, what string) *is.Fault {
	text, mode := is.At[string](v, names[0]), is.At[string](v, "parse_mode")
	list := is.At[[]any](v, names[1])
	shown, fault := Shown(text, mode)
	size := len(utf16.Encode([]rune(shown)))
	switch {
	case mode != "" && len(list) > 0:
		return is.Saying("parse_mode and entities exclude each other")
	case fault != "":
		return is.Saying(fault)
	case what == "message" && strings.TrimSpace(shown) == "":
		return is.Saying("message text is empty")
	case size > limit:
		return is.Saying(what + " is too long")
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

func messageText(r *Request) *is.Fault {
	return textFault(r.Body, [2]string{"text", "entities"}, 4096, "message")
}

func caption(v any) *is.Fault {
	return textFault(v, [2]string{"caption", "caption_entities"}, 1024, "message caption")
}

// chatOf is the chat of a chat_id, made up as far as the id does not tell.
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

// media is how one kind of file is sent.
type media struct {
	field   string
	method  string
	more    is.Object // that the method has beside
	noURL   bool
	byURL   []string // extensions of what is taken by URL; none is anything
	maxSize int      // in bytes
}

var timed = captions.With(is.Object{"duration": id})

var kinds = []*media{
	{field: "photo", method: "sendPhoto", more: captions, maxSize: 10 << 20},
	{field: "video", method: "sendVideo", more: captions.With(sizes), maxSize: maxUpload},
	{field: "animation", method: "sendAnimation", more: captions.With(sizes), maxSize: maxUpload},
	{field: "audio", method: "sendAudio", more: timed, maxSize: maxUpload},
	{field: "document", method: "sendDocument", more: captions, maxSize: maxUpload, byURL: []string{"", ".pdf", ".zip", ".gif"}},
	{field: "voice", method: "sendVoice", more: timed, maxSize: maxUpload},
	{field: "video_note", method: "sendVideoNote", more: is.Object{"duration": id, "length": id}, maxSize: maxUpload, noURL: true},
	{field: "sticker", method: "sendSticker", more: is.Object{"emoji": is.Text(10)}, maxSize: maxUpload, byURL: []string{"", ".webp"}},
}

// maxUpload bounds a file that is uploaded, in bytes.
const maxUpload = 50 << 20

func (m *media) missing() string { return "there is no " + m.field + " in the request" }

var fileID = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// file is a rule for a file: in the form, by its id or by its URL.
func (m *media) file() is.Rule {
	return is.Says("wrong file identifier/HTTP URL specified", is.Func(m.fault)).WhenMissing(m.missing())
}

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
		return is.Wrong("", "it must be a file")
	}
	return nil
}

// inputMedia is "InputMedia" of the fields, whose files may be attached.
func inputMedia(fields ...string) is.Rule {
	shapes := map[string]is.Object{}
	for _, m := range kinds {
		if slices.Contains(fields, m.field) {
			shapes[m.field] = m.more.With(is.Object{"media!": is.Says("", is.Text(2048)).WhenMissing(m.missing())})
		}
	}
	return is.Says("can't parse InputMedia: Unsupported type specified", is.All(is.Union("type", shapes), is.Func(caption)))
}

// attached looks at the files of an album, or at the one that takes another's place: each one in the form is used.
func attached(r *Request) *is.Fault {
	used := 0
	for _, item := range append(is.Every(r.Body, "media"), []any{}...) {
		text := is.At[string](item, "media")
		var v any = text
		if name, ok := strings.CutPrefix(text, "attach://"); ok {
			used++
			if v = r.Files[name]; r.Files[name].Name == "" {
				return is.Saying("there is no " + is.At[string](item, "type") + " in the request")
			}
		}
		kind := kinds[slices.IndexFunc(kinds, func(m *media) bool { return m.field == is.At[string](item, "type") })]
		if fault, _ := is.Check(kind.file(), v); fault != nil {
			return fault
		}
	}
	if used != len(r.Files) {
		return is.Saying("a file of the form is not used")
	}
	return nil
}

// mixed is for an album whose files are not of one group.
func mixed(r *Request) *is.Fault {
	group := map[any]string{"photo": "visual", "video": "visual", "audio": "audio", "document": "document"}
	types := is.Every(r.Body, "media.type")
	for _, t := range types {
		if group[t] != group[types[0]] {
			return is.Saying(t.(string) + " can't be mixed with other media types")
		}
	}
	return attached(r)
}

// once takes one answer for each query.
func (s *Server) once(member, words string) func(*Request) *is.Fault {
	return func(r *Request) *is.Fault {
		id := is.At[string](r.Body, member)
		if s.answered[id] {
			return is.Saying(words)
		}
		s.answered[id] = true
		return nil
	}
}

func (s *Server) routes() fakeapi.Routes {
	const tooOld = "query is too old and response timeout expired or query ID is invalid"
	form := fakeapi.FormatJSON | fakeapi.FormatMultipart
	marked := is.Object{"reply_markup": keyboard}
	routes := map[string]fakeapi.Route{
		"sendMessage":     {Body: common.With(texts), Check: messageText, Answer: s.sent},
		"editMessageText": {Body: target.With(texts, marked), Check: messageText, Answer: s.sent},
		"sendLocation": {Body: common.With(point, is.Object{
			"horizontal_accuracy": is.Number(0, 1500), "live_period": id, "heading": id, "proximity_alert_radius": id,
		}), Answer: s.sent},
		"sendVenue": {Body: common.With(point, is.Object{
			"title!":        is.Says("title must be non-empty", is.Text(many)),
			"address!":      is.Says("address must be non-empty", is.Text(many)),
			"foursquare_id": is.Text(100), "foursquare_type": is.Text(100), "google_place_id": is.Text(100),
		}), Answer: s.sent},
		"sendContact": {Body: common.With(is.Object{
			"phone_number!": is.Says("phone number must be non-empty", is.Text(many)),
			"first_name!":   is.Says("first name must be non-empty", is.Text(many)),
			"last_name":     is.String(many), "vcard": is.Says("vcard is too long", is.Bytes(2048)),
		}), Answer: s.sent},
		"sendPoll": {Body: common.With(poll), Check: func(r *Request) *is.Fault {
			if chat, _ := chatOf(r.Body["chat_id"]); chat["type"] == "channel" && r.Body["is_anonymous"] == false {
				return is.Saying("non-anonymous polls can't be sent to channel chats")
			}
			return nil
		}, Answer: s.sent},
		"sendMediaGroup": {
			Body: plain.With(is.Object{"media!": is.Says("media group must include 2-10 items",
				is.List(2, 10, inputMedia("photo", "video", "audio", "document")))}),
			Files: fakeapi.FileOf(maxUpload), Check: mixed, Answer: s.sentGroup,
		},
		"editMessageMedia": {
			Body:  target.With(marked, is.Object{"media!": inputMedia("photo", "video", "audio", "document", "animation")}),
			Files: fakeapi.FileOf(maxUpload), Check: attached, Answer: s.sent,
		},
		"editMessageCaption": {
			Body: target.With(captions, marked), Check: func(r *Request) *is.Fault { return caption(r.Body) }, Answer: s.sent,
		},
		"editMessageReplyMarkup": {Body: target.With(marked), Answer: s.sent},
		"deleteMessage": {
			Body: is.Object{"chat_id!": chat, "message_id!": target["message_id!"]}, Answer: done,
		},
		"setMessageReaction": {Body: is.Object{
			"chat_id!": chat, "message_id!": target["message_id!"], "is_big": is.Bool, "reaction": reaction,
		}, Answer: done},
		"sendChatAction": {Body: is.Object{
			"business_connection_id": is.Text(100), "chat_id!": chat, "message_thread_id": id,
			"action!": is.Says("wrong parameter action in request", is.OneOf(chatActions...)),
		}, Answer: done},
		"answerCallbackQuery": {Body: is.Object{
			"callback_query_id!": is.Says(tooOld, is.Text(100)), "text": is.Says("MESSAGE_TOO_LONG", is.Empty(is.UTF16(200))),
			"show_alert": is.Bool, "url": is.Text(many), "cache_time": is.Integer(0, many),
		}, Check: s.once("callback_query_id", tooOld), Answer: done},
		"answerGuestQuery": {
			Body: is.Object{"guest_query_id!": is.Says("QUERY_ID_INVALID", is.Text(100)), "result!": article},
			Check: func(r *Request) *is.Fault {
				content := is.At[any](r.Body, "result.input_message_content")
				return is.First(textFault(content, [2]string{"message_text", "entities"}, 4096, "message"),
					s.once("guest_query_id", "QUERY_ID_INVALID")(r))
			},
			Answer: func(r *Request) Response {
				return success(map[string]any{"inline_message_id": "inline-" + is.At[string](r.Body, "guest_query_id")})
			},
		},
		"getMe":          {Answer: func(*Request) Response { return success(s.bot()) }},
		"getWebhookInfo": {Answer: func(*Request) Response { return success(s.webhookInfo) }},
		"getFile":        {Body: is.Object{"file_id!": is.Says("invalid file_id", is.Text(many))}, Answer: s.getFile},
	}
	for _, m := range kinds {
		body := common.With(m.more, is.Object{m.field + "!": m.file()})
		routes[m.method] = fakeapi.Route{
			Body: body, Check: func(r *Request) *is.Fault { return caption(r.Body) }, Answer: s.sent,
		}
	}
	all := fakeapi.Routes{"/file/{bot}/{path...}": {Name: Download, Answer: s.download}}
	for name, route := range routes {
		route.Name, route.Takes = name, form
		all["/{bot}/"+name] = route
	}
	return all
}
