package metrics

import (
	"os"
	"runtime"
	goruntime "runtime/metrics"
	"strconv"
	"time"

	"github.com/shirou/gopsutil/v4/cpu"
	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/load"
	"github.com/shirou/gopsutil/v4/mem"
	"github.com/shirou/gopsutil/v4/process"
)

// newMachine reads the process and its machine. What the operating system does not tell is left out.
func newMachine() Source {
	born, pid := time.Now(), os.Getpid()
	name, _ := os.Hostname() // empty where it is not known
	return func(set func(*Family, float64, ...string)) {
		set(processPID, 1, strconv.Itoa(pid))
		set(processUptime, time.Since(born).Seconds())
		set(osType, 1, runtime.GOOS)
		set(osArch, 1, runtime.GOARCH)
		set(osHostname, 1, name)
		heap := []goruntime.Sample{
			{Name: "/memory/classes/heap/objects:bytes"},
			{Name: "/memory/classes/heap/unused:bytes"},
			{Name: "/memory/classes/heap/free:bytes"},
		}
		goruntime.Read(heap)
		used := float64(heap[0].Value.Uint64())
		set(processUsed, used)
		set(processHeap, used+float64(heap[1].Value.Uint64())+float64(heap[2].Value.Uint64()))
		if self, err := process.NewProcess(int32(pid)); err == nil {
			if info, err := self.MemoryInfo(); err == nil {
				set(processRSS, float64(info.RSS))
			}
		}
		if memory, err := mem.VirtualMemory(); err == nil {
			set(osMemoryFree, float64(memory.Available))
			set(osMemoryUsed, float64(memory.Total-memory.Available))
			set(osMemoryTotal, float64(memory.Total))
		}
		if uptime, err := host.Uptime(); err == nil {
			set(osUptime, float64(uptime))
		}
		if averages, err := load.Avg(); err == nil {
			set(osLoad1, averages.Load1)
			set(osLoad5, averages.Load5)
			set(osLoad15, averages.Load15)
		}
		if cores, err := cpu.Counts(true); err == nil {
			set(osCPUs, float64(cores))
		}
	}
}
