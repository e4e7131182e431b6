package core

// accountManagement is AWS Account Management, as far as an inventory asks it: every Region of the partition is enabled.
func accountManagement() Service {
	return Service{
		Protocol: REST, global: true,
		Operations: map[string]Operation{"ListRegions": listRegions},
		Access:     func(*Call) (Access, error) { return Access{}, nil },
		Route: func(c *Call) string {
			if c.Request.URL.Path == "/listRegions" {
				return "ListRegions"
			}
			return ""
		},
	}
}

func listRegions(c *Call) (any, error) {
	var regions []any
	for _, region := range c.AWS.Options.Partition.Regions() {
		regions = append(regions, map[string]any{"RegionName": region, "RegionOptStatus": "ENABLED_BY_DEFAULT"})
	}
	return map[string]any{"Regions": regions}, nil
}
