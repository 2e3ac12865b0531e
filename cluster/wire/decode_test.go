package wire_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/cluster/wire"
	"github.com/hiliosai/switchboard/internal/rawjson"
)

// request is a REQ whose fields, after the required ones, are the given JSON.
func request(t *testing.T, fields string) wire.RequestPacket {
	t.Helper()
	var p wire.RequestPacket
	require.NoError(t, wire.Decode(wire.V4, []byte(`{"ver":"4","sender":"a"`+fields+`}`), &p))
	return p
}

func TestRequestOfNodeIsRead(t *testing.T) {
	tracing, parent, caller := true, "span", "v2.posts"
	timeout := 1500.25
	require.Equal(t, wire.RequestPacket{
		Header: wire.Header{Ver: "4", Sender: "a"}, ID: "1", RawID: json.RawMessage(`"1"`), Action: "v2.posts.list",
		Params: json.RawMessage(`{"limit":5}`), Meta: json.RawMessage(`{"user":{"id":3}}`),
		Timeout: &timeout, Level: 2, Tracing: &tracing, ParentID: &parent, RequestID: "0", Caller: &caller,
	}, request(t, `,"id":"1","action":"v2.posts.list","params":{"limit":5},"meta":{"user":{"id":3}},"timeout":1500.25,`+
		`"level":2,`+
		`"tracing":true,"parentID":"span","requestID":"0","caller":"v2.posts","stream":false`))
}

func TestLargeParamsAreTakenApart(t *testing.T) {
	text := `"` + strings.Repeat("x", 1000) + `"`
	want := rawjson.Fields{{Name: "text", Value: json.RawMessage(text)}, {Name: "limit", Value: json.RawMessage("5")}}
	require.Equal(t, want, request(t, `,"params":{"text":`+text+`,"limit":5}`).Fields)
	require.Nil(t, request(t, `,"params":{"text":"x","limit":5}`).Fields, "what is small is soon read again")
}

func TestOddFieldsOfARequestCountAsAbsent(t *testing.T) {
	absent := request(t, "")
	for name, fields := range map[string]string{
		"null for everything": `,"action":null,"timeout":null,"level":null,"tracing":null,"parentID":null,` +
			`"requestID":null,"caller":null,"stream":null,"seq":null`,
		"stream is an empty string": `,"stream":""`,
		"stream is zero":            `,"stream":0`,
		"action is a list":          `,"action":["a"]`,
		"timeout is a string":       `,"timeout":"1500"`,
		"timeout is too large":      `,"timeout":1e400`,
		"level is a word":           `,"level":"deep"`,
		"level is too large":        `,"level":1e400`,
		"parentID is a list":        `,"parentID":[1]`,
		"requestID is an object":    `,"requestID":{"a":1}`,
		"tracing is a string":       `,"tracing":""`,
		"caller is an object":       `,"caller":{}`,
		"seq is a string":           `,"seq":"0"`,
		"everything is mistyped": `,"action":1,"timeout":"","level":"","tracing":1,"parentID":{},"requestID":[],` +
			`"caller":{},"stream":1,"seq":""`,
		"fields of later versions": `,"later":{"a":1},"paramsType":2`,
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, absent, request(t, fields)) })
	}
}

func TestIDIsKeptAsItCame(t *testing.T) {
	for id, text := range map[string]string{
		`"1"`: "1", `""`: "", `"a\u00e9\n"`: "aé\n", `"\ud800"`: "\uFFFD", `7`: "7", `-1.50`: "-1.50", `1e400`: "1e400",
		`9007199254740993`: "9007199254740993",
		`true`:             "true", `false`: "false", `null`: "", `{"a": 1}`: "", `[1, 2]`: "",
	} {
		t.Run(id, func(t *testing.T) {
			p := request(t, `,"id":`+id)
			require.Equal(t, []string{text, id}, []string{p.ID, string(p.RawID)})
		})
	}
	require.Nil(t, request(t, "").RawID)
}

func TestNumbersAndBooleansAreIDsToo(t *testing.T) {
	p := request(t, `,"requestID":7,"parentID":-1,"caller":true,"level":"3"`)
	require.Equal(t, []any{"7", "-1", "true", 3}, []any{p.RequestID, *p.ParentID, *p.Caller, p.Level})
}

func TestLevelIsANumber(t *testing.T) {
	for level, want := range map[string]int{
		`2`: 2, `"2"`: 2, `2.0`: 2, `2e0`: 2, `2.5`: 2, `-1`: -1, `""`: 0, `"2x"`: 0, `1e99`: 0, `true`: 0,
	} {
		t.Run(level, func(t *testing.T) { require.Equal(t, want, request(t, `,"level":`+level).Level) })
	}
}

func TestNamesCountAsTheyAreWritten(t *testing.T) {
	require.Equal(
		t, &wire.ErrorObject{Code: "409"},
		response(t, `"error":{"code":409,"Code":500,"Retryable":true,"MESSAGE":"m"}`).Error,
	)
	i := info(t, `,"Services":[],"services":[{"name":"a","NAME":"b","fullname":"c"}],"Client":{}`)
	require.Equal(t, []wire.ServiceInfo{{Name: "a"}}, i.Services)
	require.Equal(t, "nodejs", i.Client.Type)
}

func TestSuccessIsWhatJavaScriptTakesForTrue(t *testing.T) {
	for success, want := range map[string]bool{
		`true`: true, `1`: true, `"true"`: true, `{}`: true, `[]`: true, `1e400`: true, `false`: false, `0`: false,
		`-0.0`: false, `""`: false, `null`: false,
	} {
		t.Run(success, func(t *testing.T) { require.Equal(t, want, response(t, `"success":`+success).Success) })
	}
}

func TestGroupsOfAnEvent(t *testing.T) {
	for groups, want := range map[string][]string{
		`["a","b"]`: {"a", "b"}, `"a"`: nil, `[]`: {}, `null`: nil, `5`: nil, `{}`: nil, `["a",5]`: {"a", ""},
	} {
		t.Run(groups, func(t *testing.T) {
			var e wire.EventPacket
			require.NoError(
				t,
				wire.Decode(wire.V4, []byte(`{"ver":"4","sender":"a","id":7,"requestID":8,"event":"x","groups":`+groups+`}`), &e),
			)
			require.Equal(t, want, e.Groups)
			require.Equal(t, []string{"7", "8"}, []string{e.ID, e.RequestID})
		})
	}
}

func TestMistypedFieldDoesNotHideTheOthers(t *testing.T) {
	p := request(t, `,"level":[],"id":"1","timeout":20,"caller":{},"action":"a.b"`)
	require.Equal(t, []any{"1", "a.b", 20 * time.Millisecond}, []any{p.ID, p.Action, p.Limit()})
}

func TestDuplicateKeysLastCounts(t *testing.T) {
	require.Equal(t, "a.c", request(t, `,"action":"a.b","action":"a.c"`).Action)
}

func TestInvalidUTF8InAStringIsReplaced(t *testing.T) {
	require.Equal(t, "a.\uFFFD", request(t, ",\"action\":\"a.\xff\"").Action)
}

func TestParamsOfAnyKindStayRaw(t *testing.T) {
	for _, params := range []string{`null`, `5`, `"text"`, `[1,2]`, `{"big":9007199254740993}`} {
		t.Run(params, func(t *testing.T) {
			require.Equal(t, params, string(request(t, `,"params":`+params).Params))
		})
	}
}

func TestLimit(t *testing.T) {
	for name, tc := range map[string]struct {
		timeout string
		want    time.Duration
	}{
		"whole ms":         {"1500", 1500 * time.Millisecond},
		"a fraction of ms": {"0.5", 500 * time.Microsecond},
		"less than a ns":   {"1e-9", time.Nanosecond},
		"zero":             {"0", 0},
		"negative":         {"-5", 0},
		"beyond time":      {"1e300", 0},
		"absent":           {"null", 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := request(t, `,"timeout":`+tc.timeout)
			require.Equal(t, tc.want, p.Limit())
		})
	}
}

func TestPacketsThatCannotBeUsedAreRefused(t *testing.T) {
	nested := strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)
	for name, tc := range map[string]struct {
		packet string
		want   error
	}{
		"empty":                  {``, wire.ErrMalformed},
		"truncated":              {`{"ver":"4","sender":"a"`, wire.ErrMalformed},
		"trailing garbage":       {`{"ver":"4","sender":"a"}x`, wire.ErrMalformed},
		"binary":                 {"\x00\xff\xfe", wire.ErrMalformed},
		"a number":               {`5`, wire.ErrMalformed},
		"a string":               {`"ver"`, wire.ErrMalformed},
		"a list":                 {`[{"ver":"4","sender":"a"}]`, wire.ErrMalformed},
		"null":                   {`null`, wire.ErrMalformed},
		"nested too deeply":      {`{"ver":"4","sender":"a","params":` + nested + `}`, wire.ErrMalformed},
		"no sender":              {`{"ver":"4"}`, wire.ErrMalformed},
		"an empty sender":        {`{"ver":"4","sender":""}`, wire.ErrMalformed},
		"a sender with a space":  {`{"ver":"4","sender":"a b"}`, wire.ErrMalformed},
		"a sender with a line":   {`{"ver":"4","sender":"a\r\nPUB x 0"}`, wire.ErrMalformed},
		"a sender of wildcards":  {`{"ver":"4","sender":">"}`, wire.ErrMalformed},
		"a sender without end":   {`{"ver":"4","sender":"` + strings.Repeat("a", 5000) + `"}`, wire.ErrMalformed},
		"a sender of wrong type": {`{"ver":"4","sender":5}`, wire.ErrMalformed},
		"protocol 5":             {`{"ver":"5","sender":"a"}`, wire.ErrVersion},
		"a version as number":    {`{"ver":4,"sender":"a"}`, wire.ErrVersion},
		"no version":             {`{"sender":"a"}`, wire.ErrVersion},
	} {
		t.Run(name, func(t *testing.T) {
			require.ErrorIs(t, wire.Decode(wire.V4, []byte(tc.packet), &wire.RequestPacket{}), tc.want)
		})
	}
}

func TestPacketOfAnotherVersionNamesItsSender(t *testing.T) {
	var p wire.BarePacket
	require.Error(t, wire.Decode(wire.V4, []byte(`{"ver":"5","sender":"stranger"}`), &p))
	require.Equal(t, "stranger", p.From())
}

// response is a RES whose fields, after the required ones, are the given JSON.
func response(t *testing.T, fields string) wire.ResponsePacket {
	t.Helper()
	var p wire.ResponsePacket
	require.NoError(t, wire.Decode(wire.V4, []byte(`{"ver":"4","sender":"b",`+fields+`}`), &p))
	return p
}

func TestErrorOfNodeIsRead(t *testing.T) {
	p := response(t, `"id":"1","meta":{},"success":false,"data":null,"error":{"name":"MoleculerClientError",`+
		`"message":"bad","nodeID":"b","code":409,"type":"BAD","retryable":true,"stack":"…","data":{"x":1}}`)
	require.Equal(t, &wire.ErrorObject{
		Name: "MoleculerClientError", Message: "bad", NodeID: "b", Code: "409", Type: "BAD", Retryable: true,
		Data: json.RawMessage(`{"x":1}`),
	}, p.Error)
}

func TestMistypedFieldOfAnErrorDoesNotHideTheOthers(t *testing.T) {
	require.Equal(
		t, &wire.ErrorObject{Name: "E", Type: "T"}, response(t, `"error":{"name":"E","message":5,"type":"T"}`).Error,
	)
}

func TestErrorThatIsNotAnObjectCountsAsAbsent(t *testing.T) {
	require.Nil(t, response(t, `"error":"boom"`).Error)
}

func TestErrorsCodeIsANumberOrAWord(t *testing.T) {
	for name, tc := range map[string]struct {
		json   string
		code   wire.Code
		status int
	}{
		"a number":          {`409`, "409", 409},
		"a word":            {`"MAX_PAYLOAD_EXCEEDED"`, "MAX_PAYLOAD_EXCEEDED", 500},
		"a number as text":  {`"503"`, "503", 503},
		"a word in escapes": {`"a\"b"`, `a"b`, 500},
		"null":              {`null`, "", 500},
		"an object":         {`{"a":1}`, "", 500},
		"a boolean":         {`true`, "", 500},
	} {
		t.Run(name, func(t *testing.T) {
			code := response(t, `"error":{"code":`+tc.json+`}`).Error.Code
			require.Equal(t, tc.code, code)
			require.Equal(t, tc.status, code.Int())
		})
	}
}

// info is an INFO with the given services.
func info(t *testing.T, services string) wire.InfoPacket {
	t.Helper()
	var p wire.InfoPacket
	require.NoError(t, wire.Decode(wire.V4, []byte(`{"ver":"4","sender":"b","seq":2,"instanceID":"i",`+
		`"ipList":["192.0.2.2"],"hostname":"vm",`+
		`"client":{"type":"nodejs","version":"0.14.36","langVersion":"v20"},"config":{},"metadata":{}`+services+`}`), &p))
	return p
}

func TestInfoOfNodeIsRead(t *testing.T) {
	require.Equal(t, wire.InfoPacket{
		Header: wire.Header{Ver: "4", Sender: "b"}, Seq: 2, InstanceID: "i", IPList: []string{"192.0.2.2"}, Hostname: "vm",
		Client: wire.Client{Type: "nodejs", Version: "0.14.36", LangVersion: "v20"}, Metadata: json.RawMessage("{}"),
		Services: []wire.ServiceInfo{{
			Name: "posts", Version: json.RawMessage("2"), FullName: "v2.posts", Settings: json.RawMessage("{}"),
			Metadata: json.RawMessage("{}"),
			Actions:  map[string]json.RawMessage{"v2.posts.list": json.RawMessage(`{"name":"v2.posts.list"}`)},
			Events:   map[string]json.RawMessage{"user.*": json.RawMessage(`{"name":"user.*"}`)},
		}},
	}, info(t, `,"services":[{"name":"posts","version":2,"fullName":"v2.posts","settings":{},"metadata":{},`+
		`"actions":{"v2.posts.list":{"name":"v2.posts.list"}},"events":{"user.*":{"name":"user.*"}}}]`))
}

func TestServicesOfAnInfo(t *testing.T) {
	for name, tc := range map[string]struct {
		services string
		want     []wire.ServiceInfo
	}{
		"absent":                        {``, nil},
		"null":                          {`,"services":null`, nil},
		"mistyped":                      {`,"services":{"posts":1}`, nil},
		"none":                          {`,"services":[]`, []wire.ServiceInfo{}},
		"one mistyped among good ones":  {`,"services":[5,{"name":"a"}]`, []wire.ServiceInfo{{}, {Name: "a"}}},
		"actions mistyped in a service": {`,"services":[{"name":"a","actions":5}]`, []wire.ServiceInfo{{Name: "a"}}},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, info(t, tc.services).Services) })
	}
}

func TestHeartbeatsOddCPUCountsAsAbsent(t *testing.T) {
	for _, cpu := range []string{`null`, `"2"`, `2.5`, `{}`} {
		t.Run(cpu, func(t *testing.T) {
			var p wire.HeartbeatPacket
			require.NoError(t, wire.Decode(wire.V4, []byte(`{"ver":"4","sender":"a","cpu":`+cpu+`}`), &p))
			require.Nil(t, p.CPU)
		})
	}
}
