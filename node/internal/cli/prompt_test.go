package cli

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/services/channels"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var fields = []integration.Field{
	{In: integration.InCredentials, Name: "token", Required: true, Secret: true, Help: "The token."},
	{In: integration.InCredentials, Name: "url", Required: true, Help: "Where it is."},
	{In: integration.InSettings, Name: "url", Help: "Another."},
	{In: integration.InSettings, Name: "pin", Secret: true, Help: "The pin."},
}

// given are values by place and name.
func given(credentials, settings map[string]string) values {
	v := values{}
	if credentials != nil {
		v[integration.InCredentials] = credentials
	}
	if settings != nil {
		v[integration.InSettings] = settings
	}
	return v
}

func TestValuesAreReadFromWhereTheyAre(t *testing.T) {
	t.Setenv("TOKEN", "from env")
	t.Setenv("EMPTY", "")
	file := filepath.Join(t.TempDir(), "token")
	write := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }
	for name, test := range map[string]struct {
		set   map[string]string
		file  string
		want  values
		fault string
	}{
		"nothing": {want: given(nil, nil)},
		"as they are": {set: map[string]string{"token": "a=b,c:d", "pin": ""}, want: given(
			map[string]string{"token": "a=b,c:d"}, map[string]string{"pin": ""},
		)},
		"by place and name": {set: map[string]string{"settings.url": "s", "credentials.url": "c"}, want: given(
			map[string]string{"url": "c"}, map[string]string{"url": "s"},
		)},
		"the first of two places": {set: map[string]string{"url": "c"}, want: given(map[string]string{"url": "c"}, nil)},
		"from the environment": {set: map[string]string{"token": "env:TOKEN"}, want: given(
			map[string]string{"token": "from env"}, nil,
		)},
		"from a file": {set: map[string]string{"token": "file:" + file}, file: "from file\n", want: given(
			map[string]string{"token": "from file"}, nil,
		)},
		"from a file of Windows": {set: map[string]string{"token": "file:" + file}, file: "from file\r\n", want: given(
			map[string]string{"token": "from file"}, nil,
		)},
		"from a file of many lines": {
			set: map[string]string{"token": "file:" + file}, file: " a\nb \n",
			want: given(map[string]string{"token": " a\nb "}, nil),
		},
		"no such variable": {set: map[string]string{"token": "env:NONE"}, fault: "the environment variable NONE for " +
			"token is not set"},
		"an empty variable": {set: map[string]string{"token": "env:EMPTY"}, fault: "EMPTY for token"},
		"no such file":      {set: map[string]string{"token": "file:/none/here"}, fault: "/none/here"},
		"no such field": {set: map[string]string{"tokne": "CANARY"}, fault: `there is no field "tokne"; there are: ` +
			`token, url, url, pin`},
		"no such place": {set: map[string]string{
			"settings.token": "CANARY",
		}, fault: `there is no field "settings.token"`},
	} {
		t.Run(name, func(t *testing.T) {
			write(test.file)
			got, err := read(fields, test.set)
			if test.fault != "" {
				require.ErrorContains(t, err, test.fault)
				require.NotContains(t, err.Error(), "CANARY")
				return
			}
			require.NoError(t, err)
			require.Equal(t, test.want, got)
		})
	}
}

func TestRequiredValuesNotGivenAreAskedFor(t *testing.T) {
	for name, test := range map[string]struct {
		given values
		in    string
		asked string
		want  values
	}{
		"all of it": {values{}, "T\nU\n", "token (The token.): \nurl (Where it is.): ", given(
			map[string]string{"token": "T", "url": "U"}, nil,
		)},
		"with white space": {values{}, "  T \r\nU", "token (The token.): \nurl (Where it is.): ", given(
			map[string]string{"token": "T", "url": "U"}, nil,
		)},
		"the rest": {given(map[string]string{"token": "T"}, nil), "U\n", "url (Where it is.): ", given(
			map[string]string{"token": "T", "url": "U"}, nil,
		)},
		"nothing": {given(
			map[string]string{"token": "T", "url": "U"}, nil,
		), "", "", given(map[string]string{"token": "T", "url": "U"}, nil)},
		"what another place has": {given(
			map[string]string{"token": "T"}, map[string]string{"url": "S"},
		), "U\n", "url (Where it is.): ", given(map[string]string{"token": "T", "url": "U"}, map[string]string{"url": "S"})},
		"from a reader of pieces": {
			values{},
			"T\nU\nmore\n", "token (The token.): \nurl (Where it is.): ",
			given(map[string]string{"token": "T", "url": "U"}, nil),
		},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			require.NoError(t, ask(iotest.OneByteReader(strings.NewReader(test.in)), &out, fields, test.given))
			require.Equal(t, test.asked, out.String())
			for in, want := range test.want {
				require.Equal(t, want, test.given.of(in))
			}
		})
	}
}

func TestFieldIsAskedForWhereTheWayNeedsIt(t *testing.T) {
	ways := []integration.Field{
		{In: integration.InCredentials, Name: "signature", Required: true, OptionalWith: "socket"},
		{In: integration.InCredentials, Name: "ticket", RequiredWith: "socket"},
	}
	for name, test := range map[string]struct {
		receive integration.Field
		given   values
		asked   string
	}{
		"the default":     {integration.ReceiveField("", "webhook", "socket"), values{}, "signature (): "},
		"another default": {integration.ReceiveField("", "socket", "webhook"), values{}, "ticket (): "},
		"what is given": {integration.ReceiveField("", "webhook", "socket"), given(
			nil, map[string]string{"receive": "socket"},
		), "ticket (): "},
		"a platform of none": {integration.Field{}, values{}, "signature (): "},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			require.NoError(t, ask(strings.NewReader("answer\n"), &out, append(slices.Clone(ways), test.receive), test.given))
			require.Equal(t, test.asked, out.String())
		})
	}
}

func TestMissingAnswerSaysHowToGiveIt(t *testing.T) {
	for name, test := range map[string]struct {
		in   io.Reader
		want string
	}{
		"none at all":     {strings.NewReader(""), "token is required: give it with --set token=… or type it in"},
		"an empty one":    {strings.NewReader("\nU\n"), "token is required"},
		"not the second":  {strings.NewReader("T\n"), "url is required"},
		"a broken reader": {iotest.ErrReader(errors.New("broken")), "token is required"},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorContains(t, ask(test.in, io.Discard, fields, values{}), test.want)
		})
	}
}

func TestSecretIsReadFromAPipeAsFromATerminal(t *testing.T) {
	in, out, err := os.Pipe()
	require.NoError(t, err)
	defer func() { require.NoError(t, in.Close()) }()
	_, err = out.WriteString("T\nU\n")
	require.NoError(t, errors.Join(err, out.Close()))
	v := values{}
	require.NoError(t, ask(in, io.Discard, fields, v))
	require.Equal(t, map[string]string{"token": "T", "url": "U"}, v.of(integration.InCredentials))
}

func TestChannelListNamesNodesThatSuspendedIt(t *testing.T) {
	view := &channels.View{Channel: &integration.Channel{Status: integration.ChannelActive}}
	require.Equal(t, "ACTIVE", status(view))
	view.Suspended = []channels.Suspended{{NodeID: "sb-2"}, {NodeID: "sb-1"}}
	require.Equal(t, "ACTIVE, suspended on sb-1, sb-2", status(view))
	view.Conditions = []channels.Condition{conditionOf("SENDING_SUSPENDED", 0)}
	require.Equal(t, "ACTIVE, suspended on sb-1, sb-2", status(view), "one thing is told once")
	view.Suspended = nil
	view.Conditions = append(view.Conditions, conditionOf("SENDS_FAILING", 70), conditionOf("DEAD_LETTERS", 0))
	require.Equal(t, "ACTIVE, degraded: SENDS_FAILING 70 %", status(view))
}

func conditionOf(code string, level int) channels.Condition {
	return channels.Condition{NodeID: "sb-1", ChannelCondition: integration.ChannelCondition{
		ChannelID: "shop", Condition: integration.Condition{Code: code, Level: level},
	}}
}
