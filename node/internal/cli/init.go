package cli

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hiliosai/switchboard/channelstore"
	"github.com/hiliosai/switchboard/integration"
	"github.com/hiliosai/switchboard/node/internal/app"
	"github.com/hiliosai/switchboard/node/internal/scaffold"
)

// initCommand has a flag for each question. A flag that is nil or empty is asked for.
type initCommand struct {
	Dir       string   `default:"." help:"Folder to write config.yaml and channels.yaml into." placeholder:"DIR"`
	Namespace string   `help:"Namespace of the Moleculer cluster." placeholder:"NAME"`
	NATS      string   `name:"nats" help:"URL of the NATS server, or embedded." placeholder:"URL"`
	NATSUser  *string  `name:"nats-user" help:"User at NATS, or nothing." placeholder:"NAME"`
	Store     string   `help:"Where channels are kept: sqlite or postgres." placeholder:"STORE"`
	Platforms []string `name:"platform" help:"A platform. Give the flag once for each." placeholder:"NAME"`
	Tenant    string   `help:"Tenant whose channels these are." placeholder:"ID"`
	Listen    *string  `help:"Address for webhooks without a gateway, or nothing." placeholder:"HOST:PORT"`
	Yes       bool     `short:"y" help:"Ask nothing: take the defaults."`
	Force     bool     `help:"Overwrite files that are there."`

	Secrets string            `help:"Where secrets are: in the file, or in the env." placeholder:"WHERE"`
	Set     map[string]string `help:"A value asked for; file:PATH or env:NAME." placeholder:"NAME=VALUE" mapsep:"none"`
}

// Help is the end of --help.
func (*initCommand) Help() string {
	return `Asks for the cluster, the store and the platforms' credentials, each with a default. What it writes is checked
as a start of the node checks it; nothing is written that would be refused.

Examples:
  switchboard init                                       asks for everything
  switchboard init --yes --platform telegram --set telegram.token=env:BOT_TOKEN
  switchboard init --nats nats://nats:4222 --namespace shop --store postgres --secrets env`
}

const (
	configFile   = "config.yaml"
	channelsFile = "channels.yaml"

	embeddedNATS   = "embedded"
	defaultNATS    = "nats://127.0.0.1:4222"
	secretsInEnv   = "env"
	storePostgres  = "postgres"
	defaultAddress = "127.0.0.1:3210"
)

// Run asks, writes and checks.
func (c *initCommand) Run(extensions app.Extensions) error {
	if !c.Force {
		for _, name := range []string{configFile, channelsFile} {
			if _, err := os.Lstat(filepath.Join(c.Dir, name)); !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("%s is there already: give --force to overwrite it", filepath.Join(c.Dir, name))
			}
		}
	}
	platforms, err := app.NewPlatformList(extensions)
	if err != nil {
		return err
	}
	defer platforms.Close()
	i := &interview{
		initCommand: c, platforms: platforms,
		questions: questions{in: os.Stdin, lines: bufio.NewReader(os.Stdin), out: os.Stderr, defaults: c.Yes},
	}
	node, err := i.node()
	if err != nil {
		return err
	}
	unset := slices.DeleteFunc(node.Variables(), func(name string) bool { return os.Getenv(name) != "" })
	if err := c.write(platforms, node, unset); err != nil {
		return err
	}
	fmt.Printf("%s and %s are written.\n", filepath.Join(c.Dir, configFile), filepath.Join(c.Dir, channelsFile))
	if len(unset) > 0 {
		fmt.Printf("Set these environment variables: %s\n", strings.Join(unset, ", "))
	}
	fmt.Println("Next:\n  switchboard channels apply -f channels.yaml\n  switchboard run")
	return nil
}

// write puts the files in place, both or none, after a check. Variables that are not set yet keep channels.yaml from
// being checked.
func (c *initCommand) write(platforms *app.PlatformList, node *scaffold.Node, unset []string) error {
	if err := os.MkdirAll(c.Dir, 0o750); err != nil {
		return err
	}
	draft, err := os.MkdirTemp(c.Dir, ".init-")
	if err != nil {
		return err
	}
	draft = filepath.Clean(draft) // as in errors
	defer func() { _ = os.RemoveAll(draft) }()
	for name, text := range map[string]string{configFile: node.ConfigFile(), channelsFile: node.ChannelsFile()} {
		if err := os.WriteFile(filepath.Join(draft, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	if err := check(platforms, node, draft, unset); err != nil {
		return errors.New(strings.ReplaceAll(err.Error(), draft+string(filepath.Separator), ""))
	}
	for _, name := range []string{configFile, channelsFile} {
		if err := os.Rename(filepath.Join(draft, name), filepath.Join(c.Dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// check reads the files as the commands run and channels apply do.
func check(platforms *app.PlatformList, node *scaffold.Node, dir string, unset []string) error {
	standIns := map[string]string{node.Password.Variable: "x", node.DSN.Variable: "postgres://host/database"}
	if name := node.Key.Variable; name != "" {
		key, err := channelstore.GenerateKey("k1")
		if err != nil {
			return err
		}
		standIns[name] = key
	}
	ofChannels := false
	for _, name := range unset {
		value, ok := standIns[name]
		if !ok {
			ofChannels = true
			continue
		}
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	err := platforms.CheckConfig(filepath.Join(dir, configFile))
	if ofChannels || len(node.Channels) == 0 {
		return err
	}
	_, fault := platforms.ReadFile(filepath.Join(dir, channelsFile))
	return errors.Join(err, fault)
}

// interview asks for what the flags do not say.
type interview struct {
	*initCommand
	questions

	platforms *app.PlatformList
}

func (i *interview) node() (*scaffold.Node, error) {
	if err := i.checkSet(); err != nil {
		return nil, err
	}
	n := &scaffold.Node{}
	n.Namespace = i.ask(i.Namespace, "Namespace of the Moleculer cluster", "hios")
	n.NATS = i.ask(i.NATS, "NATS server: nats://HOST:PORT, or embedded, to run one within the node", embeddedNATS)
	if n.NATS == embeddedNATS {
		n.NATS, n.Embedded = defaultNATS, true
	} else if n.User = i.askOptional(i.NATSUser, "User at NATS, or nothing", ""); n.User != "" {
		n.Password = i.secret("nats.password", "Password of "+n.User, "NATS_PASSWORD", &integration.Field{Secret: true})
	}
	n.Store = i.ask(
		i.Store, "Where channels are kept: sqlite, or postgres, for several nodes", "sqlite", "sqlite", storePostgres,
	)
	if n.Store == storePostgres {
		n.DSN = i.secret(
			"channels.dsn", "Database: postgres://USER:PASSWORD@HOST/DATABASE", "DATABASE_URL",
			&integration.Field{Secret: true},
		)
		n.Key = scaffold.Value{Variable: "CHANNELS_KEY"}
		if i.secretsAre() != secretsInEnv {
			key, err := channelstore.GenerateKey("k1")
			if err != nil {
				return nil, err
			}
			n.Key = scaffold.Value{Text: key}
		}
	}
	names := i.Platforms
	if len(names) == 0 {
		text := i.ask("", "Platforms, with spaces between them: "+strings.Join(i.platforms.Names(), " "), "telegram")
		names = strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' })
	}
	n.Services = slices.Compact(slices.Sorted(slices.Values(names)))
	i.Tenant = i.ask(i.Tenant, "Tenant whose channels these are", "main")
	webhooks := false
	for _, name := range n.Services {
		ch, byWebhook, err := i.channel(name)
		if err != nil {
			return nil, err
		}
		n.Channels, webhooks = append(n.Channels, ch), webhooks || byWebhook
	}
	if webhooks || i.Listen != nil {
		n.Listen = i.askOptional(i.Listen, "Address for webhooks without a gateway, or nothing", defaultAddress)
	}
	return n, i.fault
}

// checkSet refuses values that no question takes.
func (i *interview) checkSet() error {
	for name := range i.Set {
		platform, _, _ := strings.Cut(name, ".")
		if name != "nats.password" && name != "channels.dsn" && !slices.Contains(i.platforms.Names(), platform) {
			return fmt.Errorf("--set %s: expects nats.password, channels.dsn or PLATFORM.FIELD", name)
		}
	}
	return nil
}

// channel asks for a platform's channel. byWebhook says that it receives webhooks.
func (i *interview) channel(platform string) (ch scaffold.Channel, byWebhook bool, err error) {
	fields, err := i.platforms.Fields(platform)
	if err != nil {
		return ch, false, err
	}
	given, err := i.known(platform, fields)
	if err != nil {
		return ch, false, err
	}
	ch = scaffold.Channel{ID: platform, Tenant: i.Tenant, Platform: platform}
	connecting, connects := i.platforms.ConnectingWay(platform)
	settings := given.of(integration.InSettings)
	for _, f := range fields {
		if f.In == integration.InSettings && f.Name == "receive" {
			settings[f.Name] = i.ask(settings[f.Name], platform+": "+f.Help, cmp.Or(connecting, f.Default))
			if f.Pattern != nil && !f.Pattern.MatchString(settings[f.Name]) {
				return ch, false, fmt.Errorf("%s.%s does not look right: %s", platform, f.Name, f.Help)
			}
		}
	}
	way := receiveOf(fields, given)
	for _, f := range fields {
		text, ok := given.of(f.In)[f.Name]
		name, question := platform+"."+f.Name, platform+" "+f.Name+": "+f.Help
		switch {
		case !ok && !f.RequiredBy(way):
		case f.Secret:
			i.add(&ch, f, i.secret(name, question, variable(platform, f.Name), &f))
		default:
			i.add(&ch, f, scaffold.Value{Text: i.askField(text, name, question, &f)})
		}
	}
	return ch, !connects || way != connecting, i.fault
}

// known are the values of a platform that --set names, without those that the file takes from the environment.
func (i *interview) known(platform string, fields []integration.Field) (values, error) {
	own := values{}
	for name := range i.Set {
		fieldName, ok := strings.CutPrefix(name, platform+".")
		if !ok {
			continue
		}
		f, err := field(fields, fieldName)
		if err != nil {
			return nil, err
		}
		own.of(f.In)[f.Name], _ = i.given(name)
	}
	return own, i.fault
}

func (*interview) add(ch *scaffold.Channel, f integration.Field, value scaffold.Value) {
	part := &ch.Credentials
	if f.In == integration.InSettings {
		part = &ch.Settings
	}
	*part = append(*part, scaffold.Entry{Name: f.Name, Value: value})
}

// secretsAre asks once where secrets are written.
func (i *interview) secretsAre() string {
	i.Secrets = i.ask(
		i.Secrets, "Secrets: file, to write them into the files, or env, to take them from environment variables", "file",
		"file", secretsInEnv,
	)
	return i.Secrets
}

// given is what --set says of a value: its text, or the environment variable that the file is to name.
func (i *interview) given(name string) (text, reference string) {
	text = i.Set[name]
	if variable, ok := strings.CutPrefix(text, "env:"); ok && i.secretsAre() == secretsInEnv {
		return "", variable
	}
	if text == "" {
		return "", ""
	}
	v, err := read([]integration.Field{{Name: name}}, map[string]string{name: text})
	if err != nil {
		i.fail(err)
		return "", ""
	}
	return v.of("")[name], ""
}

// secret asks for a secret, unless it stays in an environment variable: the one that --set names, or else this one.
func (i *interview) secret(name, question, variable string, f *integration.Field) scaffold.Value {
	text, reference := i.given(name)
	switch {
	case reference != "":
		return scaffold.Value{Variable: reference}
	case text == "" && i.secretsAre() == secretsInEnv:
		return scaffold.Value{Variable: variable}
	}
	return scaffold.Value{Text: i.askField(text, name, question, f)}
}

// questions asks on a terminal, or reads the answers from a file. After a fault it asks no more.
type questions struct {
	in       *os.File
	lines    *bufio.Reader
	out      io.Writer
	defaults bool // are taken without asking
	fault    error
}

func (q *questions) fail(err error) {
	if q.fault == nil {
		q.fault = err
	}
}

// ask returns what is given, or else asks. choices are all answers that are taken, none for any.
func (q *questions) ask(given, question, otherwise string, choices ...string) string {
	for {
		text := given
		if text == "" {
			text = cmp.Or(q.read(question+" ["+otherwise+"]: ", false), otherwise)
		}
		if q.fault != nil || len(choices) == 0 || slices.Contains(choices, text) {
			return text
		}
		q.refuse(given != "" || q.defaults, "expects "+strings.Join(choices, " or "))
	}
}

// askOptional is ask for what may be empty.
func (q *questions) askOptional(given *string, question, otherwise string) string {
	if given != nil {
		return *given
	}
	if otherwise == "" {
		return q.read(question+": ", false)
	}
	if text := q.read(question+` ["" is none, `+otherwise+"]: ", false); text != `""` {
		return cmp.Or(text, otherwise)
	}
	return ""
}

// askField asks for a value that must be there. A secret one is not shown.
func (q *questions) askField(given, name, question string, f *integration.Field) string {
	for {
		text := given
		if text == "" {
			if q.defaults {
				q.fail(fmt.Errorf("%s has no default: give it with --set %s=…", name, name))
			}
			text = q.read(question+": ", f.Secret)
		}
		switch {
		case q.fault != nil:
			return ""
		case text == "":
			q.refuse(false, "is required")
		case f.Pattern != nil && !f.Pattern.MatchString(text):
			q.refuse(given != "", name+" does not look right: "+f.Help)
		default:
			return text
		}
	}
}

// refuse says why an answer is not taken. One that cannot be given anew is a fault.
func (q *questions) refuse(final bool, why string) {
	if final {
		q.fail(errors.New(why))
	} else if q.fault == nil {
		fmt.Fprintln(q.out, why)
	}
}

// read asks once. It returns nothing where the default is taken.
func (q *questions) read(question string, secret bool) string {
	if q.defaults || q.fault != nil {
		return ""
	}
	fmt.Fprint(q.out, question)
	text, err := answer(q.in, q.lines, secret)
	if secret {
		fmt.Fprintln(q.out)
	}
	if err != nil {
		q.fail(errors.New("nothing was written: not all questions were answered; --yes takes the defaults"))
	}
	return text
}
