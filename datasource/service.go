package datasource

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/hiliosai/switchboard/action"
	"github.com/hiliosai/switchboard/action/codes"
)

type clusterKey struct{}

// WithCluster returns a context with the cluster. Datasources of the kind [Service] that are opened with it can also be
// called outside of requests.
func WithCluster(ctx context.Context, cluster action.Cluster) context.Context {
	return context.WithValue(ctx, clusterKey{}, cluster)
}

// ErrNoCluster says that a service was called outside of a request and without [WithCluster].
var ErrNoCluster = errors.New("there is neither a request nor a cluster to call a service with")

// ServiceClient calls the actions of another service. Safe for concurrent use.
type ServiceClient struct {
	service string
	cluster action.Cluster // for calls outside of requests; may be nil
}

// Service defines a datasource of type *ServiceClient. service is the full name, such as "users" or "v2.users". The
// service need not run yet.
func Service(name, service string) Definition {
	d := New(name, func(ctx context.Context) (*ServiceClient, error) {
		cluster, _ := ctx.Value(clusterKey{}).(action.Cluster)
		return &ServiceClient{service: service, cluster: cluster}, nil
	})
	if service == "" {
		d.Invalid = errors.New("the service's name is missing")
	}
	return d
}

// Call calls an action of the service, such as "get", and decodes the answer's JSON into result, a pointer; nil ignores
// the answer. The call is part of the request in ctx, with its trace, meta and remaining time. Errors are
// *action.Error, and [ErrNoCluster].
func (c *ServiceClient) Call(ctx context.Context, name string, params, result any) error {
	name = c.service + "." + name
	answer, err := c.call(ctx, name, params)
	if err != nil || result == nil {
		return err
	}
	if err := json.Unmarshal(answer.Data, result); err != nil {
		return invalidAnswer(name).Because(err)
	}
	return nil
}

func (c *ServiceClient) call(ctx context.Context, name string, params any) (*action.CallResult, error) {
	if req := action.RequestFrom(ctx); req != nil {
		return req.Call(ctx, name, params, action.CallOptions{})
	}
	if c.cluster == nil {
		return nil, ErrNoCluster
	}
	return c.cluster.Call(ctx, nil, name, params, action.CallOptions{})
}

func invalidAnswer(of string) *action.Error {
	return action.Server(502, codes.DatasourceAnswerInvalid, "The answer of %s is not of the form that was expected.", of)
}
