package slacktest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"unicode/utf8"
)

// checkBlocks is what Slack would complain about in blocks, "Blocks". Those of which nothing is known here are refused.
func checkBlocks(blocks []json.RawMessage) error {
	if len(blocks) > 50 {
		return errors.New("no more than 50 items allowed [json-pointer:/blocks]")
	}
	for i, raw := range blocks {
		if err := checkBlock(raw); err != nil {
			return fmt.Errorf("%w [json-pointer:/blocks/%d]", err, i)
		}
	}
	return nil
}

type text struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// check says whether a text is there, of one of the types and not too long.
func (t *text) check(limit int, types ...string) error {
	if t == nil {
		return errors.New("missing required field: text")
	}
	for _, kind := range types {
		if t.Type == kind {
			return within(t.Text, 1, limit)
		}
	}
	return fmt.Errorf("unsupported type: text %q", t.Type)
}

func within(text string, least, most int) error {
	if n := utf8.RuneCountInString(text); n < least || n > most {
		return fmt.Errorf("must have %d to %d characters and has %d", least, most, n)
	}
	return nil
}

func typeOf(raw json.RawMessage) string {
	var t struct{ Type string }
	_ = json.Unmarshal(raw, &t) // what is no object has no type
	return t.Type
}

func checkBlock(raw json.RawMessage) error {
	switch kind := typeOf(raw); kind {
	case "section", "header":
		var b struct {
			Type string `json:"type"`
			Text *text  `json:"text"`
		}
		if err := decode(raw, &b); err != nil {
			return err
		}
		if kind == "header" {
			return b.Text.check(150, "plain_text")
		}
		return b.Text.check(3000, "plain_text", "mrkdwn")
	case "context":
		var b struct {
			Type     string  `json:"type"`
			Elements []*text `json:"elements"`
		}
		if err := decode(raw, &b); err != nil {
			return err
		}
		if n := len(b.Elements); n < 1 || n > 10 {
			return errors.New("elements must have 1 to 10 items")
		}
		return b.Elements[0].check(3000, "plain_text", "mrkdwn")
	case "markdown":
		var b struct{ Type, Text string }
		if err := decode(raw, &b); err != nil {
			return err
		}
		return within(b.Text, 1, 12_000)
	case "image":
		return checkImage(raw)
	case "actions":
		return checkActions(raw)
	default:
		return fmt.Errorf("unsupported type: %q", kind)
	}
}

func checkImage(raw json.RawMessage) error {
	var b struct {
		Type      string  `json:"type"`
		ImageURL  *string `json:"image_url"`
		AltText   string  `json:"alt_text"`
		Title     *text   `json:"title"`
		SlackFile *struct {
			ID string `json:"id"`
		} `json:"slack_file"`
	}
	if err := decode(raw, &b); err != nil {
		return err
	}
	if (b.ImageURL == nil) == (b.SlackFile == nil) {
		return errors.New("one of image_url and slack_file is required")
	}
	if b.ImageURL != nil && (!isLink(*b.ImageURL) || len(*b.ImageURL) > 3000) {
		return errors.New("image_url must be a URL of at most 3000 characters")
	}
	if b.SlackFile != nil && b.SlackFile.ID == "" {
		return errors.New("slack_file needs an id")
	}
	if b.Title != nil {
		if err := b.Title.check(2000, "plain_text"); err != nil {
			return err
		}
	}
	return within(b.AltText, 1, 2000)
}

func isLink(link string) bool {
	u, err := url.Parse(link)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}

func checkActions(raw json.RawMessage) error {
	var b struct {
		Type     string            `json:"type"`
		Elements []json.RawMessage `json:"elements"`
	}
	if err := decode(raw, &b); err != nil {
		return err
	}
	if n := len(b.Elements); n < 1 || n > 25 {
		return errors.New("elements must have 1 to 25 items")
	}
	ids := map[string]bool{}
	for _, raw := range b.Elements {
		id, err := checkElement(raw)
		if err != nil {
			return err
		}
		if ids[id] {
			return fmt.Errorf("action_id %q already exists for the block", id)
		}
		ids[id] = true
	}
	return nil
}

func checkElement(raw json.RawMessage) (id string, err error) {
	switch kind := typeOf(raw); kind {
	case "button":
		var b struct {
			Type     string  `json:"type"`
			Text     *text   `json:"text"`
			ActionID string  `json:"action_id"`
			Value    string  `json:"value"`
			URL      *string `json:"url"`
			Style    *string `json:"style"`
		}
		if err := decode(raw, &b); err != nil {
			return "", err
		}
		if b.URL != nil && (!isLink(*b.URL) || len(*b.URL) > 3000) {
			return "", errors.New("url must be a URL of at most 3000 characters")
		}
		if b.Style != nil && *b.Style != "primary" && *b.Style != "danger" {
			return "", errors.New("style must be primary or danger")
		}
		return b.ActionID, errors.Join(b.Text.check(75, "plain_text"), within(b.Value, 1, 2000), within(b.ActionID, 1, 255))
	case "static_select":
		return checkSelect(raw)
	default:
		return "", fmt.Errorf("unsupported type: %q", kind)
	}
}

type option struct {
	Text        *text  `json:"text"`
	Value       string `json:"value"`
	Description *text  `json:"description"`
}

func checkOptions(options []option) error {
	if n := len(options); n < 1 || n > 100 {
		return errors.New("options must have 1 to 100 items")
	}
	for _, o := range options {
		if err := errors.Join(o.Text.check(75, "plain_text"), within(o.Value, 1, 150)); err != nil {
			return err
		}
		if o.Description != nil {
			if err := o.Description.check(75, "plain_text"); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkSelect(raw json.RawMessage) (id string, err error) {
	var b struct {
		Type         string   `json:"type"`
		Placeholder  *text    `json:"placeholder"`
		ActionID     string   `json:"action_id"`
		Options      []option `json:"options"`
		OptionGroups []struct {
			Label   *text    `json:"label"`
			Options []option `json:"options"`
		} `json:"option_groups"`
	}
	if err := decode(raw, &b); err != nil {
		return "", err
	}
	if err := errors.Join(b.Placeholder.check(150, "plain_text"), within(b.ActionID, 1, 255)); err != nil {
		return "", err
	}
	if (b.Options == nil) == (b.OptionGroups == nil) {
		return "", errors.New("one of options and option_groups is required")
	}
	if b.Options != nil {
		return b.ActionID, checkOptions(b.Options)
	}
	if n := len(b.OptionGroups); n < 1 || n > 100 {
		return "", errors.New("option_groups must have 1 to 100 items")
	}
	for _, g := range b.OptionGroups {
		if err := errors.Join(g.Label.check(75, "plain_text"), checkOptions(g.Options)); err != nil {
			return "", err
		}
	}
	return b.ActionID, nil
}
