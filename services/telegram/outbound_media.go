package telegram

import (
	"cmp"
	"context"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// mediaKind is a way to send a file.
type mediaKind struct {
	method    string
	field     string // of the file, and its type in an album
	value     func(*mediaParams) *string
	upload    int64  // bytes
	byURL     int64  // bytes; zero if links are not taken
	noCaption bool   // has no caption
	album     string // what can be in one album with it has the same; empty is alone
}

var (
	photo = &mediaKind{
		method: "sendPhoto", field: "photo", value: func(p *mediaParams) *string { return &p.Photo },
		upload: maxUploadPhoto, byURL: maxByURLPhoto, album: "visual",
	}
	video = &mediaKind{
		method: "sendVideo", field: "video", value: func(p *mediaParams) *string { return &p.Video },
		upload: maxUpload, byURL: maxByURL, album: "visual",
	}
	audio = &mediaKind{
		method: "sendAudio", field: "audio", value: func(p *mediaParams) *string { return &p.Audio },
		upload: maxUpload, byURL: maxByURL, album: "audio",
	}
	document = &mediaKind{
		method: "sendDocument", field: "document", value: func(p *mediaParams) *string { return &p.Document },
		upload: maxUpload, byURL: maxByURL, album: "document",
	}
	animation = &mediaKind{
		method: "sendAnimation", field: "animation", value: func(p *mediaParams) *string { return &p.Animation },
		upload: maxUpload, byURL: maxByURL,
	}
	voice = &mediaKind{
		method: "sendVoice", field: "voice", value: func(p *mediaParams) *string { return &p.Voice },
		upload: maxUpload, byURL: maxByURLVoice,
	}
	videoNote = &mediaKind{
		method: "sendVideoNote", field: "video_note", value: func(p *mediaParams) *string { return &p.VideoNote },
		upload: maxUpload, noCaption: true,
	}
	stickers = &mediaKind{
		method: "sendSticker", field: "sticker", value: func(p *mediaParams) *string { return &p.Sticker },
		upload: maxUpload, byURL: maxByURL, noCaption: true,
	}
)

// kindOf returns how an attachment is sent. It depends on the content's type, then on the MIME type and on the
// metadata that inbound messages have.
func kindOf(m *integration.Message, f *integration.Media) *mediaKind {
	major, _, _ := strings.Cut(f.MimeType, "/")
	switch t := m.Content.Type; {
	case t == integration.TypeVideo && integration.FlagIn(m.Metadata, metaVideoNote):
		return videoNote
	case (t == integration.TypeVideo || t == integration.TypeImage) &&
		(f.MimeType == "image/gif" || integration.FlagIn(m.Metadata, metaAnimation)):
		return animation
	case t == integration.TypeImage, t == integration.TypeInteractive && major == "image":
		return photo
	case t == integration.TypeVideo, t == integration.TypeInteractive && major == "video":
		return video
	case t == integration.TypeAudio, t == integration.TypeInteractive && major == "audio":
		return audio
	case t == integration.TypeVoice:
		return voice
	case t == integration.TypeSticker:
		return stickers
	default:
		return document
	}
}

func (p *platform) composeMedia(ctx context.Context, m *integration.Message, d *delivery) (*request, error) {
	files := m.Content.MediaList()
	switch len(files) {
	case 0:
		return nil, integration.Invalid("content.media or content.attachments is missing")
	case 1:
		return p.composeFile(ctx, m, &files[0], d)
	default:
		return p.composeAlbum(ctx, m, files, d)
	}
}

func (p *platform) composeFile(
	ctx context.Context, m *integration.Message, f *integration.Media, d *delivery,
) (*request, error) {
	kind := kindOf(m, f)
	text, degraded, err := newText(withCaption(&m.Content, f), maxCaption)
	if err != nil {
		return nil, err
	}
	if kind.noCaption && text.Text != "" {
		return nil, integration.Invalid("%s has no caption; send the text as a message of its own", kind.method)
	}
	params := &mediaParams{delivery: *d, captionParams: text.caption(), mediaSize: kind.size(f)}
	if kind == stickers && m.Content.Sticker != nil && f.ID == "" {
		params.Emoji = m.Content.Sticker.Emoji
	}
	r := &request{method: kind.method, params: params, degraded: degraded}
	value, part, err := p.source(ctx, kind, f, kind.field)
	if err != nil {
		return nil, err
	}
	if part != nil {
		r.files = []httpapi.Part{*part}
	}
	*kind.value(params) = value
	return r, nil
}

// withCaption is the content with the attachment's own caption among its text.
func withCaption(c *integration.Content, f *integration.Media) *integration.Content {
	if f.Caption == "" {
		return c
	}
	both := *c
	if both.Text == "" && c.Interactive != nil {
		both.Text = c.Interactive.Body
	}
	if both.Text != "" {
		both.Text += "\n\n"
	}
	both.Text += f.Caption
	return &both
}

// size returns the sizes that the method has parameters for.
func (k *mediaKind) size(f *integration.Media) mediaSize {
	const second = 1000
	s := mediaSize{Duration: (f.DurationMs + second - 1) / second}
	switch k {
	case video, animation:
		s.Width, s.Height = f.Width, f.Height
	case videoNote:
		s.Length = f.Width
	case audio, voice:
	default:
		return mediaSize{}
	}
	return s
}

var fileID = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// source returns a file's id or link, or the part of the form that uploads it under that name.
func (p *platform) source(
	ctx context.Context, kind *mediaKind, f *integration.Media, name string,
) (value string, part *httpapi.Part, err error) {
	switch size := max(f.Size, int64(len(f.Data))); {
	case f.ID != "":
		return f.ID, nil, nil
	case len(f.Data) == 0 && f.Datasource == "" && fileID.MatchString(f.URL): // inbound messages have the id there, too
		return f.URL, nil, nil
	case size > kind.upload:
		return "", nil, integration.Invalid("the attachment has %d bytes; %s takes %d", size, kind.method, kind.upload)
	case kind.takesURL(f):
		return f.URL, nil, nil
	}
	file, err := p.client.Media(ctx, f, kind.upload)
	if err != nil {
		return "", nil, err
	}
	return "", &httpapi.Part{Name: name, Filename: file.Filename, ContentType: file.MimeType, Content: file.Content}, nil
}

// typesByURL are types by the ends of links.
var typesByURL = map[string]string{
	".pdf": "application/pdf", ".zip": "application/zip", ".gif": "image/gif", ".webp": mimeStaticSticker,
	".ogg": "audio/ogg", ".oga": "audio/ogg",
}

var documentsByURL = []string{"application/pdf", "application/zip", "image/gif"}

// takesURL says whether Telegram can fetch a file from its link without loss, "Sending files".
func (k *mediaKind) takesURL(f *integration.Media) bool {
	if len(f.Data) > 0 || f.Datasource != "" || !httpapi.IsLink(f.URL) || k.byURL == 0 || f.Size > k.byURL {
		return false
	}
	u, err := url.Parse(f.URL)
	if err != nil {
		return false
	}
	name := path.Base(u.Path)
	mimeType := cmp.Or(f.MimeType, typesByURL[strings.ToLower(path.Ext(name))])
	switch k {
	case document: // keeps the name that it has in the link
		return slices.Contains(documentsByURL, mimeType) && (f.Filename == "" || f.Filename == name)
	case voice: // becomes a file if it is larger or of another type
		return mimeType == "audio/ogg" && f.Size > 0
	case stickers:
		return mimeType == mimeStaticSticker
	default:
		return true
	}
}
