package integration

import (
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/hiliosai/switchboard/action/codes"
)

// MediaLimits are a platform's limits for attachments of one content type, see [Definition.Media].
type MediaLimits struct {
	Types    []string // MIME types without parameters; nil takes all
	MaxBytes int64    // of one attachment; zero is no limit
	MaxCount int      // attachments of a message; zero is no limit
	ByLink   bool     // the platform fetches attachments itself: they come as https links, and not as bytes or ids
}

// ByLink returns the limits of a platform that fetches the attachments of these content types itself.
func ByLink(types ...ContentType) map[ContentType]MediaLimits {
	limits := map[ContentType]MediaLimits{}
	for _, t := range types {
		limits[t] = MediaLimits{ByLink: true}
	}
	return limits
}

// Check returns nil if the platform takes an attachment of content type t, and otherwise MESSAGE_INVALID or
// MEDIA_TOO_LARGE. A generic mimeType is replaced by that of the content. The factory checks bytes that come with a
// message. A platform that uploads bytes from a link or a datasource calls Check itself.
func (l MediaLimits) Check(t ContentType, mimeType string, content []byte) error {
	name := strings.ToLower(string(t))
	if l.MaxBytes > 0 && int64(len(content)) > l.MaxBytes {
		return mediaTooLarge(name, l.MaxBytes)
	}
	if l.Types == nil {
		return nil
	}
	if base := MediaType(mimeType, content); !slices.Contains(l.Types, base) {
		return Invalid("content of type %s must be %s, not %s", name, strings.Join(l.Types, " or "), base)
	}
	return nil
}

// MediaType returns a MIME type without its parameters. If mimeType is generic, it is detected from the content.
func MediaType(mimeType string, content []byte) string {
	base, _, err := mime.ParseMediaType(mimeType)
	if err != nil || base == "application/octet-stream" {
		base, _, _ = mime.ParseMediaType(http.DetectContentType(content))
	}
	return base
}

// checkMedia checks the attachments of a message against the platform's limits without fetching anything. The platform
// checks what a link or an id refers to.
func (s *platformService) checkMedia(c *Content) error {
	if s.def.Media == nil || c.Media == nil && len(c.Attachments) == 0 {
		return nil
	}
	list := c.MediaList()
	if l := s.def.Media[mediaTypeOf(c, &list[0])]; l.MaxCount > 0 && len(list) > l.MaxCount {
		return Invalid("there are %d attachments; %s takes %d", len(list), s.def.Title, l.MaxCount)
	}
	for i := range list {
		m := &list[i]
		t := mediaTypeOf(c, m)
		if own := c.TypeOf(m); own != c.Type {
			t = own
		}
		if s.def.Media[t].ByLink &&
			(m.ID != "" || len(m.Data) > 0 || m.Datasource != "" || !strings.HasPrefix(m.URL, "https://")) {
			return Refused(codes.MediaURLInvalid, "%s fetches attachments itself: give an https link in url", s.def.Title)
		}
		if len(m.Data) == 0 {
			continue
		}
		if err := s.def.Media[t].Check(t, m.MimeType, m.Data); err != nil {
			return err
		}
	}
	return nil
}

// mediaTypeOf is the content type whose limits apply to an attachment: that of the message, unless the message has
// another type than its attachment.
func mediaTypeOf(c *Content, m *Media) ContentType {
	switch c.Type {
	case TypeText, TypeInteractive, "":
		return TypeOfMedia(MediaType(m.MimeType, m.Data))
	default:
		return c.Type
	}
}
