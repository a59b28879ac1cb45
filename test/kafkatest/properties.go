//go:build unix

package kafkatest

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// nodeID is that of the one node.
const nodeID = 1

// ports are those of the three listeners: the clients', the internal one and the
// controller's.
type ports struct{ client, internal, controller int }

// serverProperties are the broker's settings, without the overrides of [Properties].
func (c *config) serverProperties(dir string, p ports) map[string]string {
	m := map[string]string{
		"process.roles":                  "broker,controller",
		"node.id":                        fmt.Sprint(nodeID),
		"controller.quorum.voters":       fmt.Sprintf("%d@127.0.0.1:%d", nodeID, p.controller),
		"listeners":                      fmt.Sprintf("CLIENT://127.0.0.1:%d,INTERNAL://127.0.0.1:%d,CONTROLLER://127.0.0.1:%d", p.client, p.internal, p.controller),
		"advertised.listeners":           fmt.Sprintf("CLIENT://127.0.0.1:%d,INTERNAL://127.0.0.1:%d", p.client, p.internal),
		"controller.listener.names":      "CONTROLLER",
		"inter.broker.listener.name":     "INTERNAL",
		"listener.security.protocol.map": "CONTROLLER:PLAINTEXT,INTERNAL:PLAINTEXT,CLIENT:" + c.protocol(),
		"log.dirs":                       filepath.Join(dir, "data"),

		"offsets.topic.replication.factor":                 "1",
		"transaction.state.log.replication.factor":         "1",
		"transaction.state.log.min.isr":                    "1",
		"share.coordinator.state.topic.replication.factor": "1",
		"share.coordinator.state.topic.min.isr":            "1",
		// Fewer partitions of the broker's own topics: each is a file to open, to
		// recover and to close.
		"offsets.topic.num.partitions":         "5",
		"transaction.state.log.num.partitions": "5",
		"group.initial.rebalance.delay.ms":     "0",
		// A killed broker that comes back is refused until the session of its former
		// life is over: after 9 s by default.
		"broker.session.timeout.ms":    "3000",
		"broker.heartbeat.interval.ms": "500",
		// 128 MB by default, a quarter of the heap, for a few thousand keys.
		"log.cleaner.dedupe.buffer.size": "16777216",
	}
	c.addTLS(m, dir)
	c.addSASL(m)
	if c.acls {
		// The internal listener's user is also the broker's own and the controller's.
		super := []string{"User:ANONYMOUS"}
		for _, u := range c.superUsers {
			super = append(super, "User:"+u)
		}
		m["authorizer.class.name"] = "org.apache.kafka.metadata.authorizer.StandardAuthorizer"
		m["super.users"] = strings.Join(super, ";")
		m["allow.everyone.if.no.acl.found"] = fmt.Sprint(c.allowAll)
	}
	return m
}

func (c *config) addTLS(m map[string]string, dir string) {
	if !c.tls {
		return
	}
	m["ssl.keystore.type"] = "PEM"
	m["ssl.keystore.location"] = filepath.Join(dir, serverPEM)
	if c.clientAuth {
		m["ssl.client.auth"] = "required"
		m["ssl.truststore.type"] = "PEM"
		m["ssl.truststore.location"] = filepath.Join(dir, caPEM)
	}
}

func (c *config) addSASL(m map[string]string) {
	if len(c.mechanisms) == 0 {
		return
	}
	const security = "org.apache.kafka.common.security."
	m["sasl.enabled.mechanisms"] = strings.Join(c.mechanisms, ",")
	for _, mechanism := range c.mechanisms {
		module := security + "scram.ScramLoginModule required;"
		switch mechanism {
		case Plain:
			module = security + "plain.PlainLoginModule required"
			for _, u := range c.users {
				module += fmt.Sprintf(" user_%s=%q", u.Name, u.Password)
			}
			module += ";"
		case OAuthBearer:
			module = security + `oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";`
		}
		m["listener.name.client."+strings.ToLower(mechanism)+".sasl.jaas.config"] = module
	}
}

// formatArgs are the arguments of the tool that makes a log directory: the users of
// SCRAM live in the cluster's metadata and are there from the first start.
func (c *config) formatArgs(clusterID, file string) []string {
	args := []string{"kafka.tools.StorageTool", "format", "-t", clusterID, "-c", file}
	for _, mechanism := range c.mechanisms {
		if mechanism != ScramSHA256 && mechanism != ScramSHA512 {
			continue
		}
		for _, u := range c.users {
			args = append(args, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, u.Name, u.Password))
		}
	}
	return args
}

func (c *config) writeProperties(file, dir string, p ports) error {
	m := c.serverProperties(dir, p)
	maps.Copy(m, c.properties)
	var b strings.Builder
	escape := strings.NewReplacer("\\", "\\\\", "\n", "\\n")
	for _, k := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(&b, "%s=%s\n", k, escape.Replace(m[k]))
	}
	return os.WriteFile(file, []byte(b.String()), 0o600)
}
