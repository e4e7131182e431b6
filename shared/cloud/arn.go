package cloud

import "strings"

// arn is an ARN in its parts. The zero arn is what anything else parses to.
type arn struct{ partition, service, region, account, resource string }

func parseARN(s string) arn {
	parts := strings.SplitN(s, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" {
		return arn{}
	}
	return arn{partition: parts[1], service: parts[2], region: parts[3], account: parts[4], resource: parts[5]}
}
