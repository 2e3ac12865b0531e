package integration

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/internal/rawjson"
)

// The window in which a webhook's timestamp must lie. Gateways stamp webhooks as they come in, so
// the future side covers no more than clocks that differ.
const (
	maxWebhookAge = 5 * time.Minute
	maxClockSkew  = time.Minute
)

// maxTimestamp, in ms since 1970, is the end of the year 9999. No clock may say more.
const maxTimestamp = 253_402_300_799_999

// readWebhook reads the params of i_receiveWebhook. The webhook belongs to no channel yet.
func (s *platformService) readWebhook(req *action.Request, fields action.Fields) (*Webhook, error) {
	w := &Webhook{Platform: s.def.Name, Payload: fields.Get("payload")}
	ms, err := strconv.ParseFloat(rawjson.UnsafeString(fields.Get("timestamp")), 64)
	if err != nil {
		return nil, &Error{
			Kind: FaultInvalid, Code: codes.TimestampInvalid, Message: "the timestamp is not a number of milliseconds",
			Err: err,
		}
	}
	w.Timestamp = time.UnixMilli(int64(min(max(ms, 0), maxTimestamp)))

	if w.Headers, err = readHeaders(fields.Get("headers")); err != nil {
		return nil, &Error{
			Kind: FaultInvalid, Code: codes.HeadersInvalid, Message: "headers must be an object of strings", Err: err,
		}
	}
	w.Method, w.ContentType = rawjson.Text(fields.Get("method")), w.Headers.Get("content-type")
	if w.called = rawjson.Text(fields.Get("url")); len(w.called) > maxURL {
		return nil, tooLarge("the URL has %d bytes; at most %d are taken", len(w.called), maxURL)
	}
	if w.RawBody, err = rawBody(req, fields); err != nil {
		return nil, err
	}
	// The platform reads what was signed, never a second form of it. Only the payload of a body that is no JSON is the
	// gateway's.
	// mostly they are the same text
	if body := bytes.TrimSpace(w.RawBody); bytes.Equal(body, w.Payload) || rawjson.Valid(body) {
		w.Payload = body
	} else if len(body) > 0 && body[0] == '{' {
		return nil, &Error{Kind: FaultInvalid, Code: codes.WebhookInvalid, Message: "the raw body is not valid JSON"}
	}
	return w, CheckTimestamp(w.Timestamp, s.now(), maxWebhookAge)
}

// rawBody returns the bytes that the platform sent, from the params or ctx.meta, nil if neither has them.
func rawBody(req *action.Request, fields action.Fields) ([]byte, error) {
	value, encoding := fields.Get("rawBody"), rawjson.Text(fields.Get("rawBodyEncoding"))
	body := rawjson.AppendText(nil, value)
	if len(body) == 0 && !rawjson.IsBuffer(value) {
		value, encoding = req.Meta.Raw("rawBody"), req.Meta.String("rawBodyEncoding")
		body = rawjson.AppendText(nil, value)
	}
	switch {
	case rawjson.IsBuffer(value):
		raw, ok := rawjson.Buffer(value)
		if !ok {
			return nil, &Error{
				Kind: FaultInvalid, Code: codes.RawBodyInvalid, Message: "rawBody is no Buffer of Node.js after JSON",
			}
		}
		return raw, nil
	case len(body) == 0:
		return nil, nil
	case encoding == "" || strings.EqualFold(encoding, "utf8") || strings.EqualFold(encoding, "utf-8"):
		return body, nil
	case strings.EqualFold(encoding, "base64"):
		raw, err := base64.StdEncoding.AppendDecode([]byte{}, body)
		if err != nil {
			return nil, &Error{Kind: FaultInvalid, Code: codes.RawBodyInvalid, Message: "rawBody is not valid base64", Err: err}
		}
		return raw, nil
	default:
		return nil, &Error{Kind: FaultInvalid, Code: codes.RawBodyInvalid, Message: "rawBodyEncoding must be utf8 or base64"}
	}
}

// CheckTimestamp refuses a recorded webhook that somebody sends again: one that is older than maxAge, or more than a
// minute ahead of now. The errors are of kind FaultInvalid, with the codes WEBHOOK_TOO_OLD and WEBHOOK_FROM_FUTURE. Use
// it for a timestamp that a platform signs; the factory checks the gateway's.
func CheckTimestamp(at, now time.Time, maxAge time.Duration) error {
	age := now.Sub(at)
	switch {
	case age > maxAge:
		return &Error{Kind: FaultInvalid, Code: codes.WebhookTooOld, Message: fmt.Sprintf(
			"the webhook's timestamp is %s old and may be %s: it was recorded, or the clocks of gateway and node differ",
			age.Round(time.Second), maxAge)}
	case age < -maxClockSkew:
		return &Error{Kind: FaultInvalid, Code: codes.WebhookFromFuture, Message: fmt.Sprintf(
			"the webhook's timestamp is %s ahead: it does not count milliseconds since 1970, or the clocks of gateway and "+
				"node differ", (-age).Round(time.Second))}
	}
	return nil
}
