package integration

import "regexp"

// Settings that every platform's channels have.
const (
	settingLongText    = "longText"
	settingOwnMessages = "ownMessages"

	refuseLongText  = "refuse"
	markOwnMessages = "mark"
)

// CommonFields lists the settings that every platform's channels have beside its own.
func CommonFields() []Field {
	return []Field{
		{
			In: InSettings, Name: settingLongText, Pattern: regexp.MustCompile(`^(split|refuse)$`),
			Help: `what becomes of a text that is too long for one message: "split", the default, or "refuse"`,
		},
		{
			In: InSettings, Name: settingOwnMessages, Pattern: regexp.MustCompile(`^(drop|mark)$`),
			Help: `what becomes of messages of the account itself and of bots: "drop", the default, or "mark" them with direction "echo"`,
		},
	}
}
