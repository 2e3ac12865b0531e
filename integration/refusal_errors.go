package integration

import (
	"fmt"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration/textlimit"
)

// Invalid returns the error for a message that is malformed or exceeds a limit of its platform: MESSAGE_INVALID. The
// text is formatted as by fmt.Sprintf.
func Invalid(format string, args ...any) *Error {
	return &Error{Kind: FaultInvalid, Code: codes.MessageInvalid, Message: fmt.Sprintf(format, args...)}
}

// UnsupportedContent returns the error for a message that its platform cannot represent: UNSUPPORTED_CONTENT.
func UnsupportedContent(format string, args ...any) *Error {
	return Refused(codes.UnsupportedContent, format, args...)
}

// Within returns nil for a text of at most limit characters, and otherwise the error that it is too long for the
// platform. what names the text, such as "the title of button %d", and is formatted with args.
func Within(platform, text string, limit int, what string, args ...any) error {
	if n := textlimit.Characters(text); n > limit {
		return Invalid("%s has %d characters; %s takes %d", fmt.Sprintf(what, args...), n, platform, limit)
	}
	return nil
}

// Refused returns the permanent error of a code, for what no repetition can mend. The message is formatted as by
// fmt.Sprintf.
func Refused(code, format string, args ...any) *Error {
	return &Error{Kind: FaultPermanent, Code: code, Message: fmt.Sprintf(format, args...)}
}
