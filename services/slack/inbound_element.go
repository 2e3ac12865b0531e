package slack

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/hiliosai/switchboard/integration"
)

// isButton says whether an element is one that a user presses. Others are chosen from, or filled in.
func (e *element) isButton() bool {
	switch e.Type {
	case "button", "icon_button", "feedback_buttons", "workflow_button":
		return true
	default:
		return false
	}
}

// isChoice says whether an element is one that a user chooses from.
func (e *element) isChoice() bool {
	switch e.Type {
	case "select", "overflow", "radio_buttons", "checkboxes":
		return true
	default:
		return strings.HasSuffix(e.Type, "_select")
	}
}

// reply says what the user chose. Its id is that of the chosen option, or the value of an input.
func (e *element) reply() *integration.InteractiveReply {
	reply := &integration.InteractiveReply{ActionID: cmp.Or(e.ActionID, e.Name), BlockID: e.BlockID}
	switch options := e.options(); {
	case e.Value != nil:
		reply.ID, reply.Title = string(*e.Value), unescape(e.Text.Text)
	case strings.HasPrefix(e.Type, "multi_") || e.Type == "checkboxes":
		reply.Values = e.list()
		reply.ID = strings.Join(reply.Values, ",")
		titles := make([]string, len(options))
		for i, o := range options {
			titles[i] = unescape(o.Text.Text)
		}
		reply.Title = strings.Join(titles, ", ")
	case len(options) > 0:
		o := options[0]
		reply.ID, reply.Title = o.Value, unescape(o.Text.Text)
		if o.Description != nil {
			reply.Description = unescape(o.Description.Text)
		}
	default:
		reply.ID, _ = e.value().(string)
		reply.Title = unescape(e.Text.Text)
	}
	if e.isButton() { // one without a value, such as of a link
		reply.ID = cmp.Or(reply.ID, reply.ActionID)
	}
	return reply
}

func (e *element) options() []option {
	if e.SelectedOption != nil {
		return []option{*e.SelectedOption}
	}
	return e.SelectedOptions
}

// list has the values of an element of several choices.
func (e *element) list() []string {
	list := slices.Concat(e.SelectedUsers, e.SelectedChannels, e.SelectedConversations)
	for _, o := range e.SelectedOptions {
		list = append(list, o.Value)
	}
	for _, f := range e.Files {
		list = append(list, f.ID)
	}
	return list
}

// value is the value of an element: a text, a list of texts, rich text in Slack's form, or nil for none.
func (e *element) value() any {
	switch {
	case strings.HasPrefix(e.Type, "multi_") || e.Type == "checkboxes" || e.Type == "file_input":
		return append([]string{}, e.list()...)
	case len(e.RichTextValue) > 2:
		return e.RichTextValue
	case e.Value != nil:
		return string(*e.Value)
	case e.SelectedOption != nil:
		return e.SelectedOption.Value
	}
	text := cmp.Or(
		e.SelectedUser, e.SelectedChannel, e.SelectedConversation, e.SelectedDate, e.SelectedTime, string(e.SelectedDateTime),
	)
	if text == "" {
		return nil
	}
	return text
}

// formValues lists the values of a form by action_id, or by block_id.action_id where an action_id comes twice.
func (s *state) formValues() map[string]any {
	values := map[string]any{}
	for _, block := range slices.Sorted(maps.Keys(s.Values)) {
		elements := s.Values[block]
		for _, action := range slices.Sorted(maps.Keys(elements)) {
			e, name := elements[action], action
			if _, taken := values[name]; taken {
				name = block + "." + action
			}
			values[name] = e.value()
		}
	}
	return values
}
