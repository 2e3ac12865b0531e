package telegramtest

import (
	"net/url"
	"path"
	"slices"
	"strings"
)

// maxUpload bounds, in bytes, a file that is uploaded, and maxPhoto a photo.
const (
	maxUpload = 50 << 20
	maxPhoto  = 10 << 20
)

// mediaKind is how one file is sent.
type mediaKind struct {
	field   string
	noURL   bool
	byURL   []string // extensions of what is taken by URL; none is anything
	mute    bool     // without a caption
	maxSize int
}

var mediaKinds = map[string]*mediaKind{
	"sendPhoto":     {field: "photo", maxSize: maxPhoto},
	"sendVideo":     {field: "video", maxSize: maxUpload},
	"sendAnimation": {field: "animation", maxSize: maxUpload},
	"sendAudio":     {field: "audio", maxSize: maxUpload},
	"sendDocument":  {field: "document", maxSize: maxUpload, byURL: []string{"", ".pdf", ".zip", ".gif"}},
	"sendVoice":     {field: "voice", maxSize: maxUpload},
	"sendVideoNote": {field: "video_note", maxSize: maxUpload, noURL: true, mute: true},
	"sendSticker":   {field: "sticker", maxSize: maxUpload, byURL: []string{"", ".webp"}, mute: true},
}

// mediaParams are the documented parameters of the methods that send a file, all together.
type mediaParams struct {
	common
	captionParams
	sizeParams
	Photo     string `json:"photo"`
	Video     string `json:"video"`
	Animation string `json:"animation"`
	Audio     string `json:"audio"`
	Document  string `json:"document"`
	Voice     string `json:"voice"`
	VideoNote string `json:"video_note"`
	Sticker   string `json:"sticker"`
	Emoji     string `json:"emoji"`
	Length    int    `json:"length"`
}

type captionParams struct {
	Caption         string   `json:"caption"`
	ParseMode       string   `json:"parse_mode"`
	CaptionEntities []entity `json:"caption_entities"`
}

type sizeParams struct {
	Duration int `json:"duration"`
	Width    int `json:"width"`
	Height   int `json:"height"`
}

func (p *captionParams) captionFault() string {
	return textFault(p.Caption, p.ParseMode, p.CaptionEntities, 1024, "message caption")
}

// value is what the field for the file says, and whether another one says something too.
func (p *mediaParams) value(field string) (value string, others bool) {
	for name, v := range map[string]string{
		"photo": p.Photo, "video": p.Video, "animation": p.Animation, "audio": p.Audio, "document": p.Document, "voice": p.Voice,
		"video_note": p.VideoNote, "sticker": p.Sticker,
	} {
		switch {
		case name == field:
			value = v
		case v != "":
			others = true
		}
	}
	return value, others
}

// allows says whether the method documents what was given beside the file.
func (k *mediaKind) allows(p *mediaParams) bool {
	framed, timed := []string{"video", "animation"}, []string{"video", "animation", "audio", "voice", "video_note"}
	switch {
	case (p.Width != 0 || p.Height != 0) && !slices.Contains(framed, k.field),
		p.Duration != 0 && !slices.Contains(timed, k.field),
		p.Length != 0 && k.field != "video_note",
		p.Emoji != "" && k.field != "sticker",
		k.mute && (p.Caption != "" || p.ParseMode != "" || p.CaptionEntities != nil):
		return false
	}
	return true
}

func (s *Server) sendMedia(k *mediaKind, in *input) Response {
	var p mediaParams
	if err := in.decode(&p, k.field); err != nil {
		return badRequest("%v", err)
	}
	value, others := p.value(k.field)
	f := firstFault(
		p.fault(), p.captionFault(), k.fileFault(in, value, k.field),
		fault(others || !k.allows(&p), "the method has no such parameter"),
	)
	if f != "" {
		return badRequest("%s", f)
	}
	return success(s.message(&p.common, map[string]any{"caption": p.Caption, k.field: map[string]any{"file_id": "sent-" + k.field}}))
}

// fileFault looks at a file by its id, by its URL, or in the form under the name.
func (k *mediaKind) fileFault(in *input, value, name string) string {
	uploaded, ok := in.files[name]
	u, err := url.Parse(value)
	link := err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
	switch {
	case ok && value != "":
		return "there are two files"
	case ok && len(uploaded.Content) == 0:
		return "file must be non-empty"
	case ok && len(uploaded.Content) > k.maxSize:
		return "file is too big"
	case ok:
		return ""
	case value == "":
		return "there is no " + k.field + " in the request"
	case link && k.noURL:
		return "wrong file identifier/HTTP URL specified"
	case link && k.byURL != nil && !slices.Contains(k.byURL, strings.ToLower(path.Ext(u.Path))):
		return "wrong type of the web page content"
	default:
		return fault(!link && !fileID.MatchString(value), "wrong file identifier/HTTP URL specified")
	}
}

// inputMedia is "InputMedia".
type inputMedia struct {
	Type  string `json:"type"`
	Media string `json:"media"`
	captionParams
	sizeParams
}

// fault of one of the files of an album, or of the file that takes another's place.
func (m *inputMedia) fault(in *input, animations bool) string {
	i := slices.IndexFunc([]string{"photo", "video", "audio", "document", "animation"}, func(t string) bool { return t == m.Type })
	if i < 0 || m.Type == "animation" && !animations {
		return "can't parse InputMedia: Unsupported type specified"
	}
	if f := m.captionFault(); f != "" {
		return f
	}
	kind := *mediaKinds["send"+strings.ToUpper(m.Type[:1])+m.Type[1:]]
	if !kind.allows(&mediaParams{sizeParams: m.sizeParams}) {
		return "can't parse InputMedia: there is no such field"
	}
	if name, attached := strings.CutPrefix(m.Media, "attach://"); attached {
		return kind.fileFault(in, "", name)
	}
	return kind.fileFault(in, m.Media, "")
}

func (s *Server) sendMediaGroup(in *input) Response {
	var p struct {
		common
		Media []inputMedia `json:"media"`
	}
	if err := in.decode(&p, names(in.files)...); err != nil {
		return badRequest("%v", err)
	}
	f := firstFault(p.fault(), fault(p.ReplyMarkup != nil, "the method has no such parameter"),
		fault(len(p.Media) < 2 || len(p.Media) > 10, "media group must include 2-10 items"))
	attached := 0
	group := map[string]string{"photo": "visual", "video": "visual", "audio": "audio", "document": "document"}
	for i := range p.Media {
		m := &p.Media[i]
		f = firstFault(f, m.fault(in, false), fault(group[m.Type] != group[p.Media[0].Type], "%s can't be mixed with other media types", m.Type))
		if strings.HasPrefix(m.Media, "attach://") {
			attached++
		}
	}
	if f = firstFault(f, fault(attached != len(in.files), "a file of the form is not used")); f != "" {
		return badRequest("%s", f)
	}
	messages := make([]map[string]any, len(p.Media))
	for i, m := range p.Media {
		messages[i] = s.message(&p.common, map[string]any{"caption": m.Caption, "media_group_id": "group"})
	}
	return success(messages)
}

func names(files map[string]File) []string {
	var list []string
	for name := range files {
		list = append(list, name)
	}
	return list
}
