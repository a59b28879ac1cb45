package main

import "tributary/connector"

// dlqOwner is whose topics the dead letter queues are, among the names of topics.
const dlqOwner = "a dead letter queue"

// dlq decodes which topic gets the records that cannot be published.
func (d *decoder) dlq(n *node) (topic string) {
	d.object(n, keys{"topic": func(n *node) {
		topic = d.name(n)
		if err := checkTopic(topic); topic != "" && err != nil {
			d.fail(n, "%v: %s", err, shown(n))
			topic = ""
		}
	}})
	if n.kind == mapNode {
		d.require(n, "topic")
	}
	return topic
}

// letters names the dead letter queue of a collection, "" if it has none.
func (f *fileDecoder) letters(n *node, c *collectionDecoder) string {
	if c.settings.OnBadRecord != connector.DeadLetterQueue || f.cfg.Group == "" {
		return ""
	}
	topic, at := c.letters, n.at("dlq")
	if topic == "" {
		topic, at = f.cfg.Letters, n.at("on_bad_record")
	}
	if topic == "" {
		topic = f.cfg.Group + ".dlq"
		if err := checkTopic(topic); err != nil {
			f.fail(at, "makes the dead letter queue %s, which %v", topic, err)
			return ""
		}
	}
	had, ok := f.topics.take(topic, dlqOwner, at.pos)
	switch {
	case ok, had.owner == dlqOwner && had.topic == topic: // collections may share one
	case had.topic == topic:
		f.fail(at, "puts dead letters into the topic %s, which is that of %s in %v: its readers take them for records", topic, had.owner, had.at)
	default:
		f.fail(at, "puts dead letters into the topic %s, which Kafka takes for the topic %s of %s in %v: only dots and underscores differ", topic, had.topic, had.owner, had.at)
	}
	return topic
}
