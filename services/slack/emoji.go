package slack

import (
	"strings"
	"sync"
	"unicode"

	"github.com/hiliosai/switchboard/action/codes"
	"github.com/hiliosai/switchboard/integration"
)

// emojiTable pairs common emoji with their names at Slack. The first name is sent, the others are understood as well.
// An emoji that is not in the table has to be given by its name.
const emojiTable = `
😀 grinning 😃 smiley 😄 smile 😁 grin 😆 laughing|satisfied 😅 sweat_smile 🤣 rolling_on_the_floor_laughing 😂 joy
🙂 slightly_smiling_face 🙃 upside_down_face 😉 wink 😊 blush 😇 innocent 🥰 smiling_face_with_3_hearts 😍 heart_eyes
🤩 star-struck|grinning_face_with_star_eyes 😘 kissing_heart 😗 kissing 😋 yum 😛 stuck_out_tongue
😜 stuck_out_tongue_winking_eye 🤪 zany_face|grinning_face_with_one_large_and_one_small_eye
😝 stuck_out_tongue_closed_eyes 🤑 money_mouth_face 🤗 hugging_face
🤭 face_with_hand_over_mouth|smiling_face_with_smiling_eyes_and_hand_covering_mouth
🤫 shushing_face|face_with_finger_covering_closed_lips 🤔 thinking_face 🤐 zipper_mouth_face
🤨 face_with_raised_eyebrow|face_with_one_eyebrow_raised 😐 neutral_face 😑 expressionless 😶 no_mouth 😏 smirk 😒 unamused
🙄 face_with_rolling_eyes 😬 grimacing 😌 relieved 😔 pensive 😪 sleepy 😴 sleeping 😷 mask 🤒 face_with_thermometer
🤕 face_with_head_bandage 🤢 nauseated_face 🤮 face_vomiting|face_with_open_mouth_vomiting 🤧 sneezing_face 🥵 hot_face
🥶 cold_face 😵 dizzy_face 🤯 exploding_head|shocked_face_with_exploding_head 🤠 face_with_cowboy_hat 🥳 partying_face
😎 sunglasses 🤓 nerd_face 🧐 face_with_monocle 😕 confused 😟 worried 🙁 slightly_frowning_face 😮 open_mouth 😯 hushed
😲 astonished 😳 flushed 🥺 pleading_face 😦 frowning 😧 anguished 😨 fearful 😰 cold_sweat 😥 disappointed_relieved 😢 cry
😭 sob 😱 scream 😖 confounded 😣 persevere 😞 disappointed 😓 sweat 😩 weary 😫 tired_face 😤 triumph 😡 rage 😠 angry
🤬 face_with_symbols_on_mouth|serious_face_with_symbols_covering_mouth 😈 smiling_imp 💀 skull 💩 hankey|poop|shit
🤡 clown_face 👻 ghost 👽 alien 🤖 robot_face 🙈 see_no_evil 🙉 hear_no_evil 🙊 speak_no_evil 👋 wave 🤚 raised_back_of_hand
✋ hand|raised_hand 🖖 spock-hand 👌 ok_hand ✌ v 🤞 crossed_fingers|hand_with_index_and_middle_fingers_crossed
🤟 i_love_you_hand_sign 🤘 the_horns|sign_of_the_horns 🤙 call_me_hand 👈 point_left 👉 point_right 👆 point_up_2
👇 point_down ☝ point_up 👍 +1|thumbsup 👎 -1|thumbsdown ✊ fist 👊 facepunch|punch 👏 clap 🙌 raised_hands 👐 open_hands
🤝 handshake 🙏 pray ✍ writing_hand 💪 muscle 👀 eyes 🧠 brain 💋 kiss ❤ heart 🧡 orange_heart 💛 yellow_heart 💚 green_heart
💙 blue_heart 💜 purple_heart 🖤 black_heart 💔 broken_heart 💕 two_hearts 💞 revolving_hearts 💓 heartbeat 💗 heartpulse
💖 sparkling_heart 💘 cupid 💝 gift_heart 💯 100 💢 anger 💥 boom|collision 💦 sweat_drops 💨 dash 💬 speech_balloon 💤 zzz
🔥 fire ✨ sparkles ⭐ star 🌟 star2 ⚡ zap ☀ sunny 🌈 rainbow ❄ snowflake 🎉 tada 🎊 confetti_ball 🎁 gift 🎂 birthday 🏆 trophy
🥇 first_place_medal 🎯 dart 🚀 rocket ✈ airplane 🚗 car|red_car 🏠 house ⏰ alarm_clock ⏳ hourglass_flowing_sand ☕ coffee
🍺 beer 🍻 beers 🥂 clinking_glasses 🍕 pizza 🍔 hamburger 🍎 apple 🌹 rose 🌻 sunflower 🍀 four_leaf_clover 🐶 dog 🐱 cat
🦄 unicorn_face 🐛 bug 🐢 turtle 💡 bulb 💰 moneybag 💻 computer 📱 iphone 📞 telephone_receiver 📧 e-mail 📎 paperclip
📌 pushpin 📝 memo|pencil 📅 date 📈 chart_with_upwards_trend 📉 chart_with_downwards_trend 📊 bar_chart 📦 package 🔒 lock
🔓 unlock 🔑 key 🔔 bell 🔍 mag 🔧 wrench 🔨 hammer 🔗 link ✅ white_check_mark ❌ x ⚠ warning
❗ exclamation|heavy_exclamation_mark ❓ question ‼ bangbang ➕ heavy_plus_sign ➖ heavy_minus_sign ✔ heavy_check_mark
☑ ballot_box_with_check 🚫 no_entry_sign ⛔ no_entry 🆗 ok 🆕 new 🆘 sos ♻ recycle 🔴 red_circle 🟢 large_green_circle
🟡 large_yellow_circle 🔵 large_blue_circle ⚪ white_circle ⚫ black_circle ▶ arrow_forward ⏸ double_vertical_bar
⬆ arrow_up ⬇ arrow_down ➡ arrow_right ⬅ arrow_left 🔄 arrows_counterclockwise 🙋 raising_hand 🤷 shrug 🤦 face_palm
💁 information_desk_person 🎵 musical_note 🏁 checkered_flag 👑 crown 💎 gem 🍾 champagne 🫡 saluting_face 🫶 heart_hands
`

// emoji is the table as it is looked up.
var emoji = sync.OnceValue(func() (table struct{ name, character map[string]string }) {
	table.name, table.character = map[string]string{}, map[string]string{}
	fields := strings.Fields(emojiTable)
	for i := 0; i+1 < len(fields); i += 2 {
		names := strings.Split(fields[i+1], "|")
		table.name[fields[i]] = names[0]
		for _, name := range names {
			table.character[name] = fields[i]
		}
	}
	return table
})

const (
	// variation asks for the coloured form of a character; emoji come with it and without.
	variation = "\ufe0f"
	// skinTone comes before the number of a skin tone, 2 to 6, in a name such as "wave::skin-tone-2".
	skinTone      = "::skin-tone-"
	lightestSkin  = '\U0001f3fb'
	lightestTone  = 2
	numberOfTones = 5
)

// emojiOf returns the emoji of a name, "" for one that is not in the table.
func emojiOf(name string) string {
	base, tone, toned := strings.Cut(name, skinTone)
	character := emoji().character[base]
	if !toned || character == "" {
		return character
	}
	if len(tone) != 1 || tone[0] < '0'+lightestTone || tone[0] >= '0'+lightestTone+numberOfTones {
		return ""
	}
	return character + string(lightestSkin+rune(tone[0]-'0'-lightestTone))
}

// emojiName returns the name of an emoji at Slack. It may be given by its name as well, with colons or without.
func emojiName(given string) (string, error) {
	name := strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(given), ":"), ":")
	if isEmojiName(name) {
		return name, nil
	}
	tone := ""
	bare := strings.Map(func(r rune) rune {
		if n := r - lightestSkin; n >= 0 && n < numberOfTones {
			tone = skinTone + string('0'+lightestTone+n)
			return -1
		}
		return r
	}, strings.ReplaceAll(name, variation, ""))
	if known := emoji().name[bare]; known != "" {
		return known + tone, nil
	}
	return "", &integration.Error{
		Kind: integration.FaultInvalid, Code: codes.MessageInvalid,
		Message: "the name of this emoji is not known: give its name at Slack, such as tada",
	}
}

// isEmojiName says whether a text has the form of a name, "Emoji".
func isEmojiName(text string) bool {
	base, tone, toned := strings.Cut(text, skinTone)
	if base == "" || toned && (len(tone) != 1 || tone[0] < '2' || tone[0] > '6') {
		return false
	}
	for _, r := range base {
		// A workspace's own emoji may have names in any language.
		if !unicode.IsLower(r) && !unicode.Is(unicode.Lo, r) && !unicode.IsDigit(r) && !strings.ContainsRune("_-+'", r) {
			return false
		}
	}
	return true
}
