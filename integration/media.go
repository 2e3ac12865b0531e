package integration

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/internal/rawjson"
	"github.com/hiliosai/switchboard/internal/redact"
)

// maxMedia bounds, in bytes, what i_getMedia reads into memory: the answer travels as one packet.
const maxMedia = 20 << 20

// mediaResult is the answer of i_getMedia; data is base64.
type mediaResult struct {
	ID       string `json:"id"`
	MimeType string `json:"mimeType,omitempty"`
	Filename string `json:"filename,omitempty"`
	Size     int    `json:"size"`
	Data     []byte `json:"data"`
}

// getMedia is i_getMedia. It refuses an attachment that does not fit into one packet of the cluster (NATS's
// max_payload): before reading if the size is known, otherwise while reading.
func (s *platformService) getMedia(ctx context.Context, req *action.Request) (any, error) {
	fields, err := s.actions[ActionGetMedia].Params.Decode(req)
	if err != nil {
		return nil, err
	}
	ch, err := s.callersChannel(ctx, req, rawjson.Text(fields.Get("channelId")))
	if err != nil {
		return nil, err
	}
	fetcher, ok := s.def.Platform.(MediaFetcher)
	if !ok {
		return nil, action.Client(http.StatusNotImplemented, codes.NotSupported, "%s has no media", s.def.Name)
	}
	id, limit := rawjson.Text(fields.Get("mediaId")), s.mediaRoom(req, len(rawjson.Text(fields.Get("mediaId"))))
	ctx, done := s.holding(context.WithValue(ctx, mediaLimitKey{}, limit))
	defer done()
	file, err := fetcher.FetchMedia(ctx, id, ch)
	s.conditions.called(ch, err)
	if err != nil {
		return nil, asError(err, FaultTransient, codes.MediaUnavailable)
	}
	defer file.Body.Close()
	data, err := ReadMedia(ctx, "attachment", file, limit)
	if err != nil {
		return nil, err
	}
	return mediaResult{ID: id, MimeType: file.MimeType, Filename: file.Filename, Size: len(data), Data: data}, nil
}

type mediaLimitKey struct{}

// MediaLimit is how many bytes of an attachment the caller of i_getMedia can take, or otherwise if there is no limit in
// ctx. A platform that knows the size in advance need not fetch a larger attachment.
func MediaLimit(ctx context.Context, otherwise int64) int64 {
	if limit, ok := ctx.Value(mediaLimitKey{}).(int64); ok {
		return min(limit, otherwise)
	}
	return otherwise
}

// mediaRoom is how many bytes of an attachment fit into the answer of i_getMedia. id is the length of the attachment's
// id in bytes.
func (s *platformService) mediaRoom(req *action.Request, id int) int64 {
	if s.runtime.PacketLimit == nil {
		return maxMedia
	}
	packet := s.runtime.PacketLimit(req)
	if packet <= 0 {
		return maxMedia
	}
	const envelope = 4 << 10 // names, the file's too, and what the packet says beside the data
	meta, _ := req.Meta.MarshalJSON()
	room := packet - envelope - int64(len(meta)) - 2*int64(id)
	return min(maxMedia, max(0, room)/4*3) // of base64
}

// maskLinks removes logins from the links of attachments, because everybody may read events.
func maskLinks(c *Content) {
	if c.Media != nil && strings.Contains(c.Media.URL, "@") {
		masked := *c.Media // it may be one of the attachments, too
		masked.URL = redact.URL(masked.URL)
		c.Media = &masked
	}
	if slices.ContainsFunc(c.Attachments, func(m Media) bool { return strings.Contains(m.URL, "@") }) {
		c.Attachments = slices.Clone(c.Attachments) // the list belongs to the platform
		for i := range c.Attachments {
			c.Attachments[i].URL = redact.URL(c.Attachments[i].URL)
		}
	}
}

// jsonLink matches a member of a JSON object whose link may hold a login.
var jsonLink = regexp.MustCompile(`"url"\s*:\s*"[^"@]*@[^"]*"`)

// withoutLogins returns the message as it came, without the logins in the links of its attachments.
func withoutLogins(message json.RawMessage) json.RawMessage {
	if bytes.IndexByte(message, '@') < 0 {
		return message
	}
	return jsonLink.ReplaceAllFunc(message, func(link []byte) []byte { return []byte(redact.URLs(string(link))) })
}
