package whatsapp

import (
	"cmp"
	"context"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/httpapi"
)

// mediaKind is what "Media" says of a type of media.
type mediaKind struct {
	name  string // in requests
	limit int64
	types []string // nil takes all
}

var mediaKinds = map[integration.ContentType]mediaKind{
	integration.TypeImage:   {"image", maxImage, []string{"image/jpeg", "image/png"}},
	integration.TypeVideo:   {"video", maxVideo, []string{"video/mp4", "video/3gpp"}},
	integration.TypeAudio:   {"audio", maxAudio, []string{"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg", "audio/opus"}},
	integration.TypeVoice:   {"audio", maxAudio, []string{"audio/ogg", "audio/opus"}},
	integration.TypeFile:    {"document", maxDocument, nil},
	integration.TypeSticker: {"sticker", maxAnimatedSticker, []string{"image/webp"}},
}

// addMedia sends an attachment, of which WhatsApp takes one in a message.
func (d *draft) addMedia(c *integration.Content) error {
	list := c.MediaList()
	if len(list) != 1 {
		return invalid("content of type %s needs content.media, and one attachment in a message", c.Type)
	}
	m, kind := &list[0], mediaKinds[c.Type]
	out, err := d.media(m, kind)
	if err != nil {
		return err
	}
	out.Voice = c.Type == integration.TypeVoice
	if kind.name == "document" {
		out.Filename = nameOf(m)
	}
	if hasCaption(c.Type) {
		out.Caption = cmp.Or(c.Text, m.Caption)
	}
	d.request.Type = kind.name
	d.request.put(out)
	return within("the caption", out.Caption, maxCaption)
}

// nameOf is the name that a document is shown with: without one it is "Untitled".
func nameOf(m *integration.Media) string {
	return cmp.Or(httpapi.Filename(m.Filename), httpapi.LinkName(m.URL))
}

// put places media where the request's type wants it.
func (r *request) put(m *outMedia) {
	switch r.Type {
	case "image":
		r.Image = m
	case "video":
		r.Video = m
	case "audio":
		r.Audio = m
	case "document":
		r.Document = m
	case "sticker":
		r.Sticker = m
	}
}

// media says where an attachment is: its id, a link that WhatsApp fetches, or, for all else, what will be
// uploaded.
func (d *draft) media(m *integration.Media, kind mediaKind) (*outMedia, error) {
	inline := len(m.Data) > 0 || m.Datasource != ""
	switch {
	case m.ID != "":
		return &outMedia{ID: m.ID}, nil
	case inline:
		out := &outMedia{}
		d.upload = &upload{m, kind, out}
		return out, nil
	case httpapi.IsLink(m.URL):
		return &outMedia{Link: m.URL}, nil
	case idPattern.MatchString(m.URL): // as inbound messages have it
		return &outMedia{ID: m.URL}, nil
	default:
		return nil, invalid("an attachment needs an id, an http or https url, data or a datasource")
	}
}

// upload is an attachment that goes to WhatsApp before its message, which then has its id.
type upload struct {
	media *integration.Media
	kind  mediaKind
	into  *outMedia
}

// upload makes a call of "Media", POST /PHONE_NUMBER_ID/media. One that was not answered may be made again: what
// nobody refers to is deleted after 30 days.
func (a api) upload(ctx context.Context, u *upload) error {
	file, err := a.Client.Media(ctx, u.media, u.kind.limit)
	if err != nil {
		return err
	}
	mimeType, err := u.kind.check(file)
	if err != nil {
		return err
	}
	body := httpapi.Multipart(
		httpapi.Part{Name: "messaging_product", Content: []byte(product)},
		httpapi.Part{Name: "type", Content: []byte(mimeType)},
		httpapi.Part{Name: "file", Filename: file.Filename, ContentType: mimeType, Content: file.Content},
	)
	var answer struct {
		ID integration.ID `json:"id"`
	}
	if err := a.Post(ctx, "media", a.phoneNumberID+"/media", body, &answer); err != nil {
		return httpapi.Repeatable(err)
	}
	if answer.ID == "" {
		return httpapi.Repeatable(httpapi.Unreadable("whatsapp media", http.StatusOK, nil))
	}
	u.into.ID = string(answer.ID)
	return nil
}

// check finds the type of a file, and refuses what WhatsApp would refuse after it has accepted the message.
func (k mediaKind) check(file *httpapi.Attachment) (string, error) {
	const unknown = "application/octet-stream"
	base, _, err := mime.ParseMediaType(file.MimeType)
	if err != nil || base == unknown {
		file.MimeType = http.DetectContentType(file.Content)
		base, _, _ = mime.ParseMediaType(file.MimeType)
	}
	if k.types != nil && !slices.Contains(k.types, base) {
		return "", invalid("content of type %s must be %s, not %s", k.name, strings.Join(k.types, " or "), base)
	}
	if k.name == "sticker" && len(file.Content) > maxStaticSticker && !animated(file.Content) {
		return "", httpapi.TooLarge("sticker", maxStaticSticker)
	}
	return file.MimeType, nil
}

// animated reads the flag of an extended WebP file,
// https://developers.google.com/speed/webp/docs/riff_container#extended_file_format.
func animated(webp []byte) bool {
	const chunk, flags, animation = 12, 20, 1 << 1
	return len(webp) > flags && string(webp[chunk:chunk+4]) == "VP8X" && webp[flags]&animation != 0
}
