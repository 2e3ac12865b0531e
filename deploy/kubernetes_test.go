package deploy_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	core "k8s.io/api/core/v1"
	policy "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

// manifest reads a file into one of Kubernetes's own types. A field that the type does not have is a fault.
func manifest[T any](t *testing.T, file string) *T {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("kubernetes", file))
	require.NoError(t, err)
	object := new(T)
	require.NoError(t, yaml.UnmarshalStrict(data, object), file)
	return object
}

func TestManifestsAreOfKubernetesTypesAndFitTogether(t *testing.T) {
	t.Parallel()
	deployment := manifest[apps.Deployment](t, "deployment.yaml")
	service := manifest[core.Service](t, "service.yaml")
	disruption := manifest[policy.PodDisruptionBudget](t, "disruption.yaml")
	autoscaler := manifest[autoscaling.HorizontalPodAutoscaler](t, "autoscaler.yaml")
	config := manifest[core.ConfigMap](t, "configmap.yaml")
	secret := manifest[core.Secret](t, "secret.example.yaml")

	labels := deployment.Spec.Template.Labels
	require.NotEmpty(t, labels)
	require.Equal(t, labels, deployment.Spec.Selector.MatchLabels)
	require.Equal(t, labels, disruption.Spec.Selector.MatchLabels)
	require.Equal(t, labels, service.Spec.Selector)
	require.Equal(t, deployment.Name, autoscaler.Spec.ScaleTargetRef.Name)
	require.Equal(t, *deployment.Spec.Replicas, *autoscaler.Spec.MinReplicas)

	pod := deployment.Spec.Template.Spec
	container := pod.Containers[0]
	require.Equal(t, secret.Name, container.EnvFrom[0].SecretRef.Name)
	require.Equal(t, config.Name, pod.Volumes[0].ConfigMap.Name)
	require.Equal(t, container.Ports[0].Name, service.Spec.Ports[0].TargetPort.StrVal)
	require.Equal(t, container.Ports[0].Name, container.StartupProbe.HTTPGet.Port.StrVal)
	for _, probe := range []*core.Probe{container.LivenessProbe, container.ReadinessProbe} {
		require.Equal(t, container.Ports[1].Name, probe.HTTPGet.Port.StrVal)
	}
	require.Equal(t, strconv.Itoa(int(container.Ports[1].ContainerPort)),
		deployment.Spec.Template.Annotations["prometheus.io/port"])
	require.Equal(t, "/-/ready", container.ReadinessProbe.HTTPGet.Path)

	rolling := deployment.Spec.Strategy.RollingUpdate
	require.Zero(t, rolling.MaxUnavailable.IntValue())
	require.True(t, *pod.SecurityContext.RunAsNonRoot)
	require.True(t, *container.SecurityContext.ReadOnlyRootFilesystem)
	require.False(t, *container.SecurityContext.AllowPrivilegeEscalation)
	require.Equal(t, []core.Capability{"ALL"}, container.SecurityContext.Capabilities.Drop)
	drain := container.Lifecycle.PreStop.Sleep.Seconds + 10 + 5 // limits.drainTimeout, and what a stop adds
	require.Greater(t, *pod.TerminationGracePeriodSeconds, drain)
}

func TestConfigMapHoldsTheConfigurationOfContainers(t *testing.T) {
	t.Parallel()
	want, err := os.ReadFile("config.yaml")
	require.NoError(t, err)
	require.Equal(t, string(want), manifest[core.ConfigMap](t, "configmap.yaml").Data["config.yaml"])
}

func TestKustomizationNamesEveryManifest(t *testing.T) {
	t.Parallel()
	list := manifest[struct {
		APIVersion string   `json:"apiVersion"`
		Kind       string   `json:"kind"`
		Resources  []string `json:"resources"`
	}](t, "kustomization.yaml")
	files, err := filepath.Glob("kubernetes/*.yaml")
	require.NoError(t, err)
	named := append([]string{"kustomization.yaml", "secret.example.yaml"}, list.Resources...)
	var there []string
	for _, file := range files {
		there = append(there, filepath.Base(file))
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		require.False(t, bytes.Contains(data, []byte("\n---")), "%s: one object a file, as the tests read them", file)
	}
	require.ElementsMatch(t, there, named)
}
