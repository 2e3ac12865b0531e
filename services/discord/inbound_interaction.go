package discord

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/integration/payload"
)

// Types of commands, "Application Command Types", and of options, "Application Command Option Type".
const (
	commandSlash = 1

	optionSubcommand      = 1
	optionSubcommandGroup = 2
	optionAttachment      = 11
)

// readCommand reads a command of any type: typed after a slash, or called on a user or a message.
func (d *delivery) readCommand(m *integration.Message) bool {
	m.Kind = integration.KindCommand
	command := &integration.Command{Name: d.Data.Name, TargetID: d.Data.TargetID.id()}
	var args []string
	var files []attachment
	for options := d.Data.Options; len(options) > 0; {
		var inner []commandOption
		for i := range options {
			o := &options[i]
			if o.Type == optionSubcommand || o.Type == optionSubcommandGroup { // there is one at most
				command.Name += " " + o.Name
				inner = append(inner, o.Options...)
				continue
			}
			value := scalar(o.Value)
			if command.Options == nil {
				command.Options = map[string]any{}
			}
			command.Options[o.Name] = value
			text := plain(o.Value)
			file, ok := d.Data.Resolved.Attachments[snowflake(text)]
			if ok && o.Type == optionAttachment {
				files = append(files, file)
				text = file.name()
			}
			args = append(args, text)
		}
		options = inner
	}
	command.Args = strings.Join(args, " ")
	m.Content = integration.Content{Type: integration.TypeCommand, Text: d.Data.Name, Command: command}
	if d.Data.Type == commandSlash {
		m.Content.Text = strings.TrimSpace("/" + command.Name + " " + command.Args)
	}
	addFiles(&m.Content, files)
	integration.PutText(m.Metadata, "commandId", string(d.Data.ID))
	return d.Data.Name != ""
}

// addResolved keeps the objects that the ids of an interaction's values stand for: users, members, roles, channels, the
// message that a command was called on.
func addResolved(m *integration.Message, raw json.RawMessage) {
	var d struct {
		Data struct {
			Resolved json.RawMessage `json:"resolved"`
		} `json:"data"`
	}
	if payload.Unmarshal(raw, &d) == nil && bytes.HasPrefix(d.Data.Resolved, []byte("{")) {
		m.Metadata["resolved"] = d.Data.Resolved
	}
}

// scalar is the value of an option or a field as it came: a text, a boolean or a number with all its digits. It is nil
// for any other value.
func scalar(raw json.RawMessage) any {
	switch raw = bytes.TrimSpace(raw); {
	case len(raw) == 0:
		return nil
	case raw[0] == '"':
		return plain(raw)
	case bytes.Equal(raw, []byte("true")), bytes.Equal(raw, []byte("false")):
		return raw[0] == 't'
	case raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9':
		return json.Number(raw)
	default:
		return nil
	}
}

// plain is the value of an option or a field as a text.
func plain(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return string(raw)
	}
	return text
}

// Types of components, "Component Types".
const (
	componentRow         = 1
	componentButton      = 2
	componentSelect      = 3
	componentUserSelect  = 5
	componentLastSelect  = 8
	componentTextDisplay = 10
	componentFileUpload  = 19
)

// readComponent reads a pressed button or the entries chosen from a menu.
func (d *delivery) readComponent(m *integration.Message) bool {
	var source component
	reply := &integration.InteractiveReply{}
	if d.Message != nil {
		reply.SourceMessageID = d.Message.ID.id()
		if c := find(d.Message.Components, d.Data.CustomID); c != nil {
			source = *c
		}
	}
	m.Content = integration.Content{Type: integration.TypeInteractive, Interactive: &integration.Interactive{Reply: reply}}
	switch kind := d.Data.ComponentType; {
	case kind == componentButton:
		m.Content.Type = integration.TypeButton
		reply.ID, reply.Title = d.Data.CustomID, source.Label
	case kind == componentSelect || kind >= componentUserSelect && kind <= componentLastSelect:
		m.Content.Interactive.Kind = integration.InteractiveList
		reply.ActionID = d.Data.CustomID
		if len(d.Data.Values) > 0 {
			reply.ID = d.Data.Values[0]
		}
		if source.MaxValues > 1 || len(d.Data.Values) > 1 {
			reply.Values = d.Data.Values
		}
		reply.Title, reply.Description = d.chosen(&source)
	default:
		return false
	}
	m.Content.Text = reply.Title
	return d.Data.CustomID != ""
}

// chosen returns the titles of the chosen entries, and the description if there is one entry only. Entries that are
// users, roles or channels have their names as titles.
func (d *delivery) chosen(source *component) (title, description string) {
	var titles []string
	for _, value := range d.Data.Values {
		id := snowflake(value)
		i := slices.IndexFunc(source.Options, func(o selectOption) bool { return o.Value == value })
		switch u, known := d.Data.Resolved.Users[id]; {
		case i >= 0:
			titles, description = append(titles, source.Options[i].Label), source.Options[i].Description
		case known:
			titles = append(titles, u.party().Name)
		case d.Data.Resolved.Roles[id].Name != "":
			titles = append(titles, d.Data.Resolved.Roles[id].Name)
		case d.Data.Resolved.Channels[id].Name != "":
			titles = append(titles, d.Data.Resolved.Channels[id].Name)
		}
	}
	if len(d.Data.Values) != 1 {
		description = ""
	}
	return strings.Join(titles, ", "), description
}

// find looks for a component by its custom_id, also within others.
func find(list []component, customID string) *component {
	for i := range list {
		c := &list[i]
		if c.CustomID == customID && customID != "" {
			return c
		}
		for _, inner := range []*component{c.Component, c.Accessory} {
			if inner != nil && inner.CustomID == customID && customID != "" {
				return inner
			}
		}
		if found := find(c.Components, customID); found != nil {
			return found
		}
	}
	return nil
}

// readModal reads a form that was filled in. Its fields are in labels, or in rows if the form is of an older kind.
func (d *delivery) readModal(m *integration.Message) bool {
	reply := &integration.InteractiveReply{ID: d.Data.CustomID, FormValues: map[string]any{}}
	if d.Message != nil {
		reply.SourceMessageID = d.Message.ID.id()
	}
	files := d.readFields(reply.FormValues, d.Data.Components)
	m.Content = integration.Content{
		Type:        integration.TypeInteractive,
		Interactive: &integration.Interactive{Kind: integration.InteractiveForm, Reply: reply},
	}
	addFiles(&m.Content, files)
	return d.Data.CustomID != ""
}

// readFields collects the fields' values, and the files among them. The value of a file is its link.
func (d *delivery) readFields(values map[string]any, list []component) (files []attachment) {
	for i := range list {
		c := &list[i]
		files = append(files, d.readFields(values, c.Components)...)
		if c.Component != nil {
			files = append(files, d.readFields(values, []component{*c.Component})...)
		}
		switch {
		case c.CustomID == "":
		case c.Type == componentFileUpload:
			links := []string{}
			for _, id := range c.Values {
				if file, ok := d.Data.Resolved.Attachments[snowflake(id)]; ok {
					files, links = append(files, file), append(links, file.URL)
				}
			}
			values[c.CustomID] = links
		case c.Values != nil:
			values[c.CustomID] = c.Values
		default:
			values[c.CustomID] = scalar(c.Value)
		}
	}
	return files
}
