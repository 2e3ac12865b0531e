package datasource_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/datasource"
)

func TestDatasourceMayUseAnEarlierOne(t *testing.T) {
	t.Parallel()
	ctx, _, _ := open(t,
		fixed("db", "database"),
		datasource.New("users", func(ctx context.Context) (string, error) {
			if _, err := datasource.Get[int](ctx, "later"); !errors.As(err, new(*datasource.NotOpenError)) {
				return "", fmt.Errorf("one that comes later: %w", err)
			}
			db, err := datasource.Get[string](ctx, "db")
			return "users of the " + db, err
		}),
		fixed("later", 1),
	)
	require.Equal(t, "users of the database", get[string](ctx, t, "users"))
}

func TestGetAsksTheInnermostSetFirst(t *testing.T) {
	t.Parallel()
	outer, _, _ := open(t, fixed("db", "outer"), fixed("only outer", "outer"))
	_, inner, _ := open(t, fixed("db", "inner"))
	ctx := inner.Context(inner.Context(outer))
	require.Equal(t, "inner", get[string](ctx, t, "db"))
	require.Equal(t, "outer", get[string](ctx, t, "only outer"))
	require.Equal(t, "outer", get[string](outer, t, "db"))
	_, err := datasource.Get[string](ctx, "nowhere")
	require.EqualError(t, err, `there is no datasource "nowhere"; there are: db, only outer`)
}

func TestGetReturnsAnInterface(t *testing.T) {
	t.Parallel()
	ctx, _, _ := open(t, fixed("db", closes{func() error { return nil }}))
	require.NotNil(t, get[interface{ Close() error }](ctx, t, "db"))
}

func TestGetErrorsSayWhatIsThere(t *testing.T) {
	t.Parallel()
	ctx, _, _ := open(t, fixed("db", 1), fixed("api", 2))
	closed, _ := newSet(t, fixed("closed", 1))

	_, err := datasource.Get[int](ctx, "dbb")
	require.Equal(t, &datasource.NotFoundError{Name: "dbb", Known: []string{"api", "db"}}, err)
	_, err = datasource.Get[int](t.Context(), "db")
	require.EqualError(t, err, `there is no datasource "db": there are none in this context`)
	_, err = datasource.Get[fmt.Stringer](ctx, "db")
	require.ErrorAs(t, err, new(*datasource.TypeError))
	require.EqualError(t, err, `datasource "db" is a int, not a fmt.Stringer`)
	_, err = datasource.Get[int](closed.Context(ctx), "closed")
	require.EqualError(t, err, `datasource "closed" is not open`)
	require.Equal(t, datasource.TypeUnavailable, action.AsError(err, "a.b", "n").Type, "another node may serve the call")
}
