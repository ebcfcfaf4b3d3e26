"""The journal: the Event Stream on local disk, durable before anything leaves. The only package that knows LMDB."""
