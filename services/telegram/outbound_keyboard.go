package telegram

import (
	"cmp"
	"net/url"

	"github.com/hiliosai/switchboard/integration"
)

// keyboard makes the buttons below a message, nil if there are none. Rows of a list become buttons, too. Each button
// has a row of its own, because clients cut off titles that do not fit.
func keyboard(i *integration.Interactive) (*inlineKeyboardMarkup, []integration.Degradation, error) {
	if i == nil {
		return nil, nil, nil
	}
	if i.Kind == integration.InteractiveForm {
		return nil, nil, integration.UnsupportedContent(
			"Telegram has no forms; what comes near are Web Apps, which are pages of one's own",
		)
	}
	k := &inlineKeyboardMarkup{}
	add := func(what string, n int, b integration.Button) error {
		button, err := newButton(what, n, &b)
		k.InlineKeyboard = append(k.InlineKeyboard, []inlineKeyboardButton{button})
		return err
	}
	for n, b := range i.Buttons {
		if err := add("button", n+1, b); err != nil {
			return nil, nil, err
		}
	}
	var degraded integration.Losses
	for _, s := range i.Sections {
		for n, row := range s.Rows {
			if err := add("row", n+1, integration.Button{ID: row.ID, Title: row.Title}); err != nil {
				return nil, nil, err
			}
		}
	}
	if len(i.Sections) > 0 {
		degraded.Add(integration.FeatureList, "buttons")
	}
	switch n := len(k.InlineKeyboard); {
	case n == 0:
		return nil, degraded, nil
	case n > maxButtons:
		return nil, nil, integration.Invalid("there are %d buttons and rows; Telegram takes %d", n, maxButtons)
	}
	return k, degraded, nil
}

func newButton(what string, n int, b *integration.Button) (inlineKeyboardButton, error) {
	button := inlineKeyboardButton{Text: b.Title}
	if b.Style == "primary" || b.Style == "danger" {
		button.Style = b.Style // other styles are those of other platforms
	}
	if blank(b.Title) {
		return button, integration.Invalid("%s %d has no title", what, n)
	}
	switch b.Type {
	case integration.ButtonReply, "":
		button.CallbackData = cmp.Or(b.ID, b.Title)
		if size := len(button.CallbackData); size > maxCallbackData {
			return button, integration.Invalid("the id of %s %d has %d bytes; Telegram takes %d", what, n, size, maxCallbackData)
		}
	case integration.ButtonURL:
		button.URL = b.URL
		if !validURL(b.URL) {
			return button, integration.Invalid("the url of %s %d is not an http, https or tg URL", what, n)
		}
	default:
		return button, integration.UnsupportedContent("%s %d is of type %q; Telegram has reply and url", what, n, b.Type)
	}
	return button, nil
}

func validURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https" || u.Scheme == "tg")
}
