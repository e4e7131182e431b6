package settings

import "github.com/doublelock/doublelock/shared/notify/channels"

// The environment contract: infra writes these variables into the functions, handlers read them, nobody types
// them twice.
const (
	EnvHubAccount  = "DOUBLELOCK_HUB_ACCOUNT"        // 12 digits
	EnvManagement  = "DOUBLELOCK_MANAGEMENT_ACCOUNT" // 12 digits: Organizations is read there, through its member role
	EnvRegions     = "DOUBLELOCK_REGIONS"            // guarded Regions, comma separated
	EnvTable       = "DOUBLELOCK_TABLE"              // DynamoDB table name
	EnvBus         = "DOUBLELOCK_BUS"                // hub event bus name
	EnvOwnersTopic = channels.EnvEmail               // of the channel list, as every variable that says where to send
	EnvChatTopic   = channels.EnvChat
	EnvOperator    = "DOUBLELOCK_OPERATOR" // unique id of the role of operators, as SQS names a sender; "" where there is none
	EnvConfig      = "DOUBLELOCK_CONFIG"   // the part of doublelock.yaml a handler needs, as JSON (Runtime)
	EnvEndpoint    = "AWS_ENDPOINT_URL"    // set only by the local run
	EnvRegion      = "AWS_REGION"
)

// Names that infra creates and others refer to. Sessions of ours carry SessionPrefix, so that our own writes are
// recognised when they come back as events.
const (
	SessionPrefix    = "doublelock-"
	RoleRead         = "doublelock-read"     // member role: describe and list
	RoleTag          = "doublelock-tag"      // member role: tag
	RoleChange       = "doublelock-change"   // member role: re-key
	RoleOperator     = "doublelock-operator" // role of the hub's account: people read, and ask the hub for changes
	RoleForward      = "doublelock-forward"  // member role: EventBridge sends to the hub bus
	SecretsKeyAlias  = "alias/doublelock/secrets"
	HubName          = "doublelock" // the hub's bus and table
	TopicOwners      = channels.TopicOwners
	TopicChat        = channels.TopicChat
	TopicOperations  = "doublelock-operations"
	EventSource      = "doublelock"
	DetailTypeNotice = "Doublelock Finding"

	// DetailTypeSchedule is the detail-type of what EventBridge Scheduler puts into a queue: an envelope with our
	// source, the hub's account and the detail {"task":"sweep"}.
	DetailTypeSchedule = "Doublelock Schedule"
	TaskSweep          = "sweep"     // look at every secret
	TaskDigest         = "digest"    // send each owner what is open
	TaskHeartbeat      = "heartbeat" // see which accounts and Regions are alive
	TaskRollUp         = "rollup"    // send what waits for the next roll-up of its owner

	// The metrics that functions write as embedded metric format log lines.
	MetricNamespace = "Doublelock"
	MetricCoverage  = "Coverage"        // percent of accounts × Regions that were seen alive
	MetricLate      = "LateNotices"     // notices that could not be published for an hour
	MetricPaused    = "ChangesPaused"   // 1 while changes are paused
	TagMode         = "doublelock:mode" // written by owners, read by us: see Runtime.Mode
)
