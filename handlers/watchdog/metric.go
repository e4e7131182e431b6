package watchdog

import (
	"context"
	"log/slog"
	"time"
)

// measurement is one value of a CloudWatch metric.
type measurement struct {
	namespace, name string
	unit            string // as CloudWatch names it
	value           float64
}

// metric writes one measurement as a log line in CloudWatch's embedded metric format. Attributes that begin with a capital
// letter are dimensions.
func metric(ctx context.Context, log *slog.Logger, now time.Time, m measurement, attrs ...slog.Attr) {
	dimensions := []string{}
	for _, a := range attrs {
		if a.Key[0] >= 'A' && a.Key[0] <= 'Z' {
			dimensions = append(dimensions, a.Key)
		}
	}
	attrs = append(attrs, slog.Float64(m.name, m.value), slog.Any("_aws", map[string]any{
		"Timestamp": now.UnixMilli(),
		"CloudWatchMetrics": []map[string]any{{
			"Namespace": m.namespace, "Dimensions": [][]string{dimensions},
			"Metrics": []map[string]string{{"Name": m.name, "Unit": m.unit}},
		}},
	}))
	log.LogAttrs(ctx, slog.LevelInfo, "measured", attrs...)
}
