// Written by scripts/dashboards.py from livestack/telemetry/catalogue.py; not to be edited.
//
// statsd etc/statsd/config.js    (npm install -g statsd). The environment may say where Graphite is: GRAPHITE_HOST.
{
  // Only this machine may send; '0.0.0.0': every one that reaches it.
  address: process.env.STATSD_ADDRESS || '127.0.0.1',
  port: Number(process.env.STATSD_PORT || 8125),
  mgmt_address: '127.0.0.1',
  mgmt_port: Number(process.env.STATSD_MGMT_PORT || 8126),

  backends: ['./backends/graphite'],
  graphiteHost: process.env.GRAPHITE_HOST || '127.0.0.1',
  graphitePort: Number(process.env.GRAPHITE_PORT || 2003),
  // One tree for each kind of metric: stats.counters, stats.gauges, stats.timers. The dashboard looks there.
  graphite: {legacyNamespace: false, globalPrefix: 'stats'},

  // The first resolution of etc/graphite/storage-schemas.conf.
  flushInterval: Number(process.env.STATSD_FLUSH_MS || 10000),
  percentThreshold: [50, 90, 99],
  calculatedTimerMetrics: ['count', 'count_ps', 'lower', 'mean', 'upper', 'upper_percent'],

  // A node that is gone has no values any more; with the last ones repeated it would look alive.
  deleteIdleStats: true,
  gaugesMaxTTL: 2,
}
