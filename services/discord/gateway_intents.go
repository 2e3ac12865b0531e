package discord

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
)

// intents are what an app asks the Gateway to tell, as bits: "List of Intents".
type intents int64

// The privileged intents, which have to be switched on for the app: "Privileged Intents".
const (
	intentMembers   intents = 1 << 1
	intentPresences intents = 1 << 8
	intentContent   intents = 1 << 15
)

var intentNames = map[string]intents{
	"GUILDS": 1 << 0, "GUILD_MEMBERS": intentMembers, "GUILD_MODERATION": 1 << 2, "GUILD_EXPRESSIONS": 1 << 3,
	"GUILD_INTEGRATIONS": 1 << 4, "GUILD_WEBHOOKS": 1 << 5, "GUILD_INVITES": 1 << 6, "GUILD_VOICE_STATES": 1 << 7,
	"GUILD_PRESENCES": intentPresences, "GUILD_MESSAGES": 1 << 9, "GUILD_MESSAGE_REACTIONS": 1 << 10,
	"GUILD_MESSAGE_TYPING": 1 << 11, "DIRECT_MESSAGES": 1 << 12, "DIRECT_MESSAGE_REACTIONS": 1 << 13,
	"DIRECT_MESSAGE_TYPING": 1 << 14, "MESSAGE_CONTENT": intentContent, "GUILD_SCHEDULED_EVENTS": 1 << 16,
	"AUTO_MODERATION_CONFIGURATION": 1 << 20, "AUTO_MODERATION_EXECUTION": 1 << 21, "GUILD_MESSAGE_POLLS": 1 << 24,
	"DIRECT_MESSAGE_POLLS": 1 << 25,
}

// defaultIntents has what messages are made of. Of the privileged ones it has MESSAGE_CONTENT, and does without where
// the app may not have it. Members and typing are for those who ask for them.
const defaultIntents = "GUILDS,GUILD_MESSAGES,GUILD_MESSAGE_REACTIONS,GUILD_MESSAGE_POLLS,DIRECT_MESSAGES," +
	"DIRECT_MESSAGE_REACTIONS,DIRECT_MESSAGE_POLLS,MESSAGE_CONTENT"

var intentsPattern = func() *regexp.Regexp {
	names := "(" + strings.Join(slices.Sorted(maps.Keys(intentNames)), "|") + ")"
	return regexp.MustCompile(`^` + names + `( *, *` + names + `)*$`)
}()

// intentsOf returns the intents that a channel asks for.
func intentsOf(ch *integration.Channel) intents {
	var all intents
	for name := range strings.SplitSeq(intentsField.Of(ch), ",") {
		all |= intentNames[strings.TrimSpace(name)]
	}
	return all
}

// privileged are the intents that an app has to be allowed, with their flags of the "Application Flags" and their
// switches in the developer portal.
var privileged = []struct {
	intent intents
	flags  int64
	name   string
	toggle string
}{
	{intentPresences, 1<<12 | 1<<13, "GUILD_PRESENCES", "Presence Intent"},
	{intentMembers, 1<<14 | 1<<15, "GUILD_MEMBERS", "Server Members Intent"},
	{intentContent, 1<<18 | 1<<19, "MESSAGE_CONTENT", "Message Content Intent"},
}

// refusedTo returns those of the intents that the app may not have.
func (i intents) refusedTo(app *application) intents {
	var list intents
	for _, p := range privileged {
		if i&p.intent != 0 && app.Flags&p.flags == 0 {
			list |= p.intent
		}
	}
	return list
}

// toggles says for each privileged intent what to switch on.
func (i intents) toggles() string {
	var list []string
	for _, p := range privileged {
		if i&p.intent != 0 {
			list = append(list, fmt.Sprintf("%s needs %q", p.name, p.toggle))
		}
	}
	return strings.Join(list, ", ")
}

const portalBotPage = `on the page "Bot" of the developer portal, under "Privileged Gateway Intents"`

// refusedIntents is the error for intents that the app may not have.
func refusedIntents(i intents) *integration.Error {
	message := "Discord refuses the app intents of the channel"
	if toggles := i.toggles(); toggles != "" {
		message = "Discord refuses the app privileged intents: " + toggles + "; switch that on " + portalBotPage +
			", or leave the intent out of settings.intents"
	}
	return &integration.Error{Kind: integration.FaultForbidden, Code: codes.IntentsRefused, Message: message}
}

// contentNote is what a connection says where the app may not read the content of messages.
const contentNote = "messages in servers come without text, attachments and polls, unless they mention the bot: " +
	`the app has no MESSAGE_CONTENT; switch "Message Content Intent" on ` + portalBotPage

// presencePattern is a status, or a status and a text: "idle: back at nine".
var presencePattern = regexp.MustCompile(`^(online|idle|dnd|invisible)(: ?[^\n]{1,128})?$`)

// presence is the "Gateway Presence Update Structure".
type presence struct {
	Since      *int64     `json:"since"`
	Activities []activity `json:"activities"`
	Status     string     `json:"status"`
	AFK        bool       `json:"afk"`
}

type activity struct {
	Name  string `json:"name"`
	Type  int    `json:"type"`
	State string `json:"state"`
}

const customStatus = 4 // "Activity Types"

// presenceOf returns what the bot shows of itself, nil if the channel does not say.
func presenceOf(ch *integration.Channel) *presence {
	status, text, _ := strings.Cut(ch.Settings[fieldPresence], ":")
	if status == "" {
		return nil
	}
	p := &presence{Status: status, Activities: []activity{}}
	if text = strings.TrimSpace(text); text != "" {
		p.Activities = []activity{{Name: "Custom Status", Type: customStatus, State: text}}
	}
	return p
}
