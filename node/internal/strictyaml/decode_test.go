package strictyaml_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/node/internal/strictyaml"
)

type settings struct {
	Name     string                       `yaml:"name"`
	Prefix   *string                      `yaml:"prefix"`
	Replicas int                          `yaml:"replicas"`
	Small    uint8                        `yaml:"small"`
	Ratio    float64                      `yaml:"ratio"`
	Embedded bool                         `yaml:"embedded"`
	Timeout  time.Duration                `yaml:"timeout"`
	Token    strictyaml.Secret            `yaml:"token"`
	Servers  []string                     `yaml:"servers"`
	TLS      tls                          `yaml:"tls"`
	Channels []channel                    `yaml:"channels"`
	Secrets  map[string]strictyaml.Secret `yaml:"secrets"`
	Open     any                          `yaml:"open"`
	Bad      chan int                     `yaml:"bad"`
	Worse    error                        `yaml:"worse"`
	Worst    map[int]string               `yaml:"worst"`
	Untagged string
	Ignored  string `yaml:"-"`
}

type tls struct {
	Cert string `yaml:"cert,omitempty"`
	Key  string `yaml:"key"`
}

type channel struct {
	ID          string                       `yaml:"id"`
	Credentials map[string]strictyaml.Secret `yaml:"credentials"`
}

func TestDecode(t *testing.T) {
	t.Setenv("SWITCHBOARD_TEST", "from env")
	t.Setenv("SWITCHBOARD_EMPTY", "")
	t.Setenv("SWITCHBOARD_NUMBER", "3")
	t.Setenv("SWITCHBOARD_FILE", "file:/nowhere")

	prefix, empty := "kept", ""
	cases := map[string]struct {
		data string
		want settings // over the defaults Name: kept, Prefix: kept, Servers: [kept], TLS.Key: kept
	}{
		"an empty file keeps the defaults":              {"", with(func(*settings) {})},
		"comments alone keep the defaults":              {"# name: x\n", with(func(*settings) {})},
		"an empty document keeps the defaults":          {"---\n", with(func(*settings) {})},
		"a section without content keeps its defaults":  {"tls:\n  # key: x\n", with(func(*settings) {})},
		"a key absent from a section keeps its default": {"tls: {cert: c}", with(func(s *settings) { s.TLS.Cert = "c" })},
		"a list replaces the default list": {"servers: [a, b]", with(
			func(s *settings) { s.Servers = []string{"a", "b"} },
		)},
		"an empty list replaces the default list": {"servers: []", with(func(s *settings) { s.Servers = []string{} })},
		"null makes a pointer nil":                {"prefix: null", with(func(s *settings) { s.Prefix = nil })},
		"empty text is not null":                  {`prefix: ""`, with(func(s *settings) { s.Prefix = &empty })},
		"an absent pointer keeps its default": {"name: x", with(
			func(s *settings) { s.Name, s.Prefix = "x", &prefix },
		)},
		"numbers and booleans are read": {"replicas: -3\nsmall: 255\nratio: 0.5\nembedded: true", with(
			func(s *settings) { s.Replicas, s.Small, s.Ratio, s.Embedded = -3, 255, 0.5, true },
		)},
		"a duration is text with a unit": {"timeout: 1m30s", with(
			func(s *settings) { s.Timeout = 90 * time.Second },
		)},
		"a number is fine as text, digit for digit": {"name: 007.10", with(func(s *settings) { s.Name = "007.10" })},
		"a variable is replaced by its value": {"name: <${SWITCHBOARD_TEST}>", with(
			func(s *settings) { s.Name = "<from env>" },
		)},
		"a number can come from a variable": {"replicas: ${SWITCHBOARD_NUMBER}", with(
			func(s *settings) { s.Replicas = 3 },
		)},
		"a variable that is set but empty is empty": {`name: "${SWITCHBOARD_EMPTY}"`, with(
			func(s *settings) { s.Name = "" },
		)},
		"a default stands in for an unset variable": {"name: ${SWITCHBOARD_UNSET:-a:-b}", with(
			func(s *settings) { s.Name = "a:-b" },
		)},
		"a default stands in for an empty variable": {"name: ${SWITCHBOARD_EMPTY:-d}", with(
			func(s *settings) { s.Name = "d" },
		)},
		"a default may be empty": {`name: "${SWITCHBOARD_UNSET:-}"`, with(
			func(s *settings) { s.Name = "" },
		)},
		"a default does not replace a value": {"name: ${SWITCHBOARD_TEST:-d}", with(
			func(s *settings) { s.Name = "from env" },
		)},
		"two dollars and a brace are a literal": {"name: $${A} $5 $$ ${SWITCHBOARD_NUMBER}$", with(
			func(s *settings) { s.Name = "${A} $5 $$ 3$" },
		)},
		"variables are expanded in lists and maps": {
			"servers: ['${SWITCHBOARD_NUMBER}']\nsecrets: {a: '${SWITCHBOARD_NUMBER}'}",
			with(func(s *settings) { s.Servers = []string{"3"}; s.Secrets = secrets("a", "3") }),
		},
		"a value from a variable is not a file": {"token: ${SWITCHBOARD_FILE}", with(
			func(s *settings) { s.Token = "file:/nowhere" },
		)},
		"file: is only text where no secret is expected": {
			"name: file:/nowhere", with(func(s *settings) { s.Name = "file:/nowhere" }),
		},
		"an open value takes its natural type": {
			"open: {text: x, n: 5, f: 0.5, b: true, none: null, list: [1, '2'], env: '${SWITCHBOARD_NUMBER}'}",
			with(func(s *settings) {
				s.Open = map[string]any{
					"text": "x", "n": int64(5), "f": 0.5, "b": true, "none": nil, "list": []any{int64(1), "2"}, "env": "3",
				}
			}),
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := with(func(*settings) {})
			_, err := strictyaml.Decode("config.yaml", []byte(c.data), &got)
			require.NoError(t, err)
			require.Equal(t, c.want, got)
		})
	}
}

func TestDecodeFaults(t *testing.T) {
	long := strings.Repeat("k", 2000)
	cases := map[string]struct {
		data string
		want string
	}{
		"a mistyped key":            {"name: x\nnmae: y", `config.yaml:2: nmae: unknown key, did you mean "name"?`},
		"a key in the wrong case":   {"NAME: x", `config.yaml:1: NAME: unknown key, did you mean "name"?`},
		"a key that resembles none": {"tls:\n  password: x", `config.yaml:2: tls.password: unknown key`},
		"a key that is not a name":  {`"a\n.b": 1`, `config.yaml:1: "a\n.b": unknown key`},
		"a Go field without a tag":  {"Untagged: x", `config.yaml:1: Untagged: unknown key`},
		"a merge key":               {"<<: {name: x}", `config.yaml:1: "<<": unknown key`},
		"a key in a list of structs": {
			"channels:\n  - id: a\n  - id: b\n    credential: {}",
			`config.yaml:4: channels[1].credential: unknown key, did you mean "credentials"?`,
		},
		"a duplicate key": {
			"name: x\nsmall: 1\nname: y",
			`config.yaml:3: name: duplicate key, first on line 1`,
		},
		"a duplicate key of a map": {"secrets:\n  a: 1\n  a: 2", `config.yaml:3: secrets.a: duplicate key, first on ` +
			`line 2`},
		"a key that is a list":          {"tls:\n  [a]: b", `config.yaml:2: tls: a key must be plain text`},
		"text for a whole number":       {"replicas: abc", `config.yaml:1: replicas: expects a whole number, found "abc"`},
		"a fraction for a whole number": {"replicas: 1.5", `config.yaml:1: replicas: expects a whole number, found "1.5"`},
		"a number out of range":         {"small: 256", `config.yaml:1: small: the number is out of range`},
		"text for a number":             {"ratio: abc", `config.yaml:1: ratio: expects a number, found "abc"`},
		"text for a boolean":            {"embedded: yes", `config.yaml:1: embedded: expects true or false, found "yes"`},
		"a duration without a unit": {
			"timeout: 30",
			`config.yaml:1: timeout: expects a duration such as 30s, found "30"`,
		},
		"long text for a number": {"small: " + long, `config.yaml:1: small: expects a whole number, found "` +
			long[:64] + `"`},
		"a single value for a list": {"servers: nats://u:pass@h", `config.yaml:1: servers: expects a list, found a ` +
			`single value`},
		"a mapping for a list":      {"servers: {a: b}", `config.yaml:1: servers: expects a list, found a mapping`},
		"a list for a mapping":      {"tls: [a]", `config.yaml:1: tls: expects a mapping, found a list`},
		"a list for text":           {"name: [a]", `config.yaml:1: name: expects text, found a list`},
		"a list for a secret":       {"token: [hunter2]", `config.yaml:1: token: expects text, found a list`},
		"a list for the whole file": {"- a", `config.yaml: expects a mapping, found a list`},
		"nothing for text":          {"name:", `config.yaml:1: name: expects text, found nothing`},
		"nothing for a list":        {"servers:\n  # - a", `config.yaml:1: servers: expects a list, found nothing`},
		"an unset variable": {"name: a${SWITCHBOARD_UNSET}", `config.yaml:1: name: environment variable ` +
			`SWITCHBOARD_UNSET is not set`},
		"a variable without an end": {"token: hunter2${A", `config.yaml:1: token: expects ${NAME} or ` +
			`${NAME:-default} after "${"; write $${ for a literal ${`},
		"a variable with an impossible name": {
			"name: ${A B}", `config.yaml:1: name: expects ${NAME} or ${NAME:-default} after "${"; write $${ for a literal ${`,
		},
		"a variable of the wrong type is not shown": {
			"replicas: ${SWITCHBOARD_SECRET}", `config.yaml:1: replicas: expects a whole number, found "${SWITCHBOARD_SECRET}"`,
		},
		"an absent secret file": {
			"token: file:/nowhere/token",
			`config.yaml:1: token: cannot read the secret in "/nowhere/token": no such file or directory`,
		},
		"a secret file that never ends": {
			"token: file:/dev/zero",
			`config.yaml:1: token: cannot read the secret in "/dev/zero": not a regular file`,
		},
		"an alias": {"name: &a x\ntoken: *a", "config.yaml:1: name: aliases, anchors " +
			"and tags are not accepted; quote text that begins with *, & or !\nconfig.yaml:2: token: aliases, anchors and " +
			"tags are not accepted; quote text that begins with *, & or !"},
		"an alias of the unknown": {"token: *hunter2", `config.yaml: aliases, anchors and tags are not ` +
			`accepted; quote text that begins with *, & or !`},
		"an anchor": {"token: &hunter2", `config.yaml:1: token: aliases, anchors and ` +
			`tags are not accepted; quote text that begins with *, & or !`},
		"a tag": {"token: !hunter2", `config.yaml:1: token: aliases, anchors and ` +
			`tags are not accepted; quote text that begins with *, & or !`},
		"a syntax error": {"name: x\nsmall: @1", `config.yaml:2: found character that cannot ` +
			`start any token`},
		"a syntax error on the first line": {"name: @x", `config.yaml: found character that cannot start any token`},
		"two documents": {
			"name: x\n---\nname: y",
			`config.yaml:2: a second document begins here; the file must hold only one`,
		},
		"a syntax error after the document": {
			"name: x\n---\n{a: @}",
			`config.yaml:3: found character that cannot start any token`,
		},
		"a very long key": {
			"open:\n  ? " + long + "\n  : 1",
			`config.yaml:2: open: a key is too long or nested too deeply`,
		},
		"a Go type that cannot be read": {"bad: 1", `config.yaml:1: bad: expects a chan int, found "1"`},
		"a Go interface that cannot be read": {"worse: 1", `config.yaml:1: worse: the program cannot read a error ` +
			`here`},
		"a Go map that cannot be read": {"worst: {1: a}", `config.yaml:1: worst: the program cannot read a ` +
			`map[int]string here`},
		"several faults are all reported, in order": {"nam: x\nsmall: a\ntls: {cet: 1}", "config.yaml:1: nam: unknown " +
			"key, did you mean \"name\"?\nconfig.yaml:2: small: expects a whole number, found \"a\"\nconfig.yaml:3: " +
			"tls.cet: unknown key, did you mean \"cert\"?"},
	}
	t.Setenv("SWITCHBOARD_SECRET", "hunter2")
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var into settings
			_, err := strictyaml.Decode("config.yaml", []byte(c.data), &into)
			require.EqualError(t, err, c.want)
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
}

func TestDecodeSurvivesDeepNesting(t *testing.T) {
	var into settings
	data := "open: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000)
	_, err := strictyaml.Decode("config.yaml", []byte(data), &into)
	require.ErrorContains(t, err, "a key is too long or nested too deeply")
}

func TestDecodeFaultsAreErrors(t *testing.T) {
	var into settings
	_, err := strictyaml.Decode("config.yaml", []byte("tls:\n  cet: x"), &into)
	var fault *strictyaml.Error
	require.ErrorAs(t, err, &fault)
	require.Equal(t, strictyaml.Error{
		File: "config.yaml", Line: 2, Key: "tls.cet", Msg: `unknown key, did you mean "cert"?`,
	}, *fault)
}

func TestDecodeNeedsAPointer(t *testing.T) {
	_, err := strictyaml.Decode("config.yaml", nil, settings{})
	require.EqualError(
		t, err, "strictyaml: cannot decode into strictyaml_test.settings, only into a pointer that is not nil",
	)
}

func TestDecodeDoesNotWriteThroughADefaultPointer(t *testing.T) {
	shared := "shared"
	into := settings{Prefix: &shared}
	_, err := strictyaml.Decode("config.yaml", []byte("prefix: own"), &into)
	require.NoError(t, err)
	require.Equal(t, "own", *into.Prefix)
	require.Equal(t, "shared", shared)
}

func TestSecretFiles(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("SWITCHBOARD_DIR", dir)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "unix"), []byte("${A}\n\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "windows"), []byte("abc\r\n"), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bare"), []byte("abc"), 0o600))

	cases := map[string]struct{ value, want string }{
		"an absolute path":                             {"file:" + dir + "/bare", "abc"},
		"a path relative to the folder of the file":    {"file:bare", "abc"},
		"a path with a variable":                       {"file:${SWITCHBOARD_DIR}/bare", "abc"},
		"one newline is trimmed and the content taken": {"file:unix", "${A}\n"},
		"a newline of two bytes is trimmed":            {"file:windows", "abc"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var into settings
			data := "token: " + c.value + "\nsecrets: {a: '" + c.value + "'}"
			_, err := strictyaml.Decode(filepath.Join(dir, "config.yaml"), []byte(data), &into)
			require.NoError(t, err)
			require.Equal(t, c.want, into.Token.Reveal())
			require.Equal(t, c.want, into.Secrets["a"].Reveal())
		})
	}
}

func TestSourceFault(t *testing.T) {
	data := "channels:\n  - id: a\n  - id: b\n    credentials:\n      token: x\n      a.b: y\n"
	var into settings
	source, err := strictyaml.Decode("channels.yaml", []byte(data), &into)
	require.NoError(t, err)

	cases := map[string]struct{ key, want string }{
		"a key of the file": {"channels[1].credentials.token", "channels.yaml:5: channels[1].credentials.token: is wrong"},
		"a quoted key of the file": {
			`channels[1].credentials."a.b"`, `channels.yaml:6: channels[1].credentials."a.b": is wrong`,
		},
		"a list item": {"channels[0]", "channels.yaml:2: channels[0]: is wrong"},
		"an absent key has its parent": {
			"channels[0].credentials.token", "channels.yaml:2: channels[0].credentials.token: is wrong",
		},
		"an absent item has its list": {"channels[7].id", "channels.yaml:1: channels[7].id: is wrong"},
		"an absent key of the top":    {"name", "channels.yaml: name: is wrong"},
		"the file as a whole":         {"", "channels.yaml: is wrong"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			require.EqualError(t, source.Fault(c.key, "is %s", "wrong"), c.want)
		})
	}
	t.Run("settings from no file", func(t *testing.T) {
		require.EqualError(t, strictyaml.Source{}.Fault("tls.cert", "is wrong"), "tls.cert: is wrong")
	})
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		"", "---\n", "name: x\n---\n", "name: ${HOME:-x} $${", "tls: {cert: a}\nservers: [a, b]\ntimeout: 30s",
		"a: &a [1]\nb: [*a, *a]\n<<: *a", "? [a]\n: b", "open: {a: [1, 0x1, .inf, 2024-01-01, !!binary x]}",
		"channels:\n  - id: a\n    credentials: {token: file:/dev/null}\n", "\xff\xfe", "0: [:!00 \xef", "token: !",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		into := with(func(*settings) {})
		source, err := strictyaml.Decode("config.yaml", data, &into)
		require.Error(t, source.Fault("channels[0].id", "is wrong"))
		if joined, ok := err.(interface{ Unwrap() []error }); ok { // the join itself, not what it holds
			for _, fault := range joined.Unwrap() {
				require.NotContains(t, fault.Error(), "\n", "a fault is one line")
			}
		}
	})
}

func with(change func(*settings)) settings {
	prefix := "kept"
	s := settings{Name: "kept", Prefix: &prefix, Servers: []string{"kept"}, TLS: tls{Key: "kept"}}
	change(&s)
	return s
}

func secrets(name string, value strictyaml.Secret) map[string]strictyaml.Secret {
	return map[string]strictyaml.Secret{name: value}
}
