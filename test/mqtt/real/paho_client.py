"""Paho clients that do what lines of JSON on stdin say; what they answer and what they hear are lines of JSON on stdout.

A line in is {"call": 1, "client": "a", "do": "open" | "subscribe" | "publish" | "leave", ...}, a line out {"call": 1, "answer": ...} or
{"client": "a", "connected": {...}} or {"client": "a", "heard": {...}}. With "--version" it says which Paho it found, and ends.
"""
import base64
import json
import queue
import sys
import threading
import traceback

import paho.mqtt
from paho.mqtt import client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

WAIT_SECONDS = 5
protocols = {3: mqtt.MQTTv31, 4: mqtt.MQTTv311, 5: mqtt.MQTTv5}
writing = threading.Lock()


def say(**line):
    with writing:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


def properties_of(packet_type, given):
    """Property names are Paho's, which are those of the specification without blanks."""
    properties = Properties(packet_type)
    for name, value in given.items():
        if name == "CorrelationData":
            value = value.encode()
        elif name == "UserProperty":
            value = [tuple(pair) for pair in value]
        setattr(properties, name, value)
    return properties


def told(properties):
    """What came with a message: only what JSON can say."""
    given = properties.json() if properties is not None else {}
    if "CorrelationData" in given:
        given["CorrelationData"] = bytes.fromhex(given["CorrelationData"]).decode()
    return given


class Peer:
    def __init__(self, name):
        self.name = name
        self.granted = queue.Queue()

    def open(self, clientId, version, transport, port, lasting=False, will=None, receiveMaximum=None):
        self.version = version
        options = {"client_id": clientId, "protocol": protocols[version], "transport": transport}
        if version < 5:
            options["clean_session"] = not lasting
        if hasattr(mqtt, "CallbackAPIVersion"):  # Paho 2 has two sets of callbacks; these are the ones of Paho 1
            options["callback_api_version"] = mqtt.CallbackAPIVersion.VERSION1
        self.client = client = mqtt.Client(**options)
        client.on_connect = self.on_connect
        client.on_subscribe = lambda client, userdata, mid, granted, properties=None: self.granted.put(mid)
        client.on_message = self.on_message
        client.reconnect_delay_set(0.02, 0.02)
        if transport == "websockets":
            client.ws_set_options(path="/mqtt")
        if will is not None:
            client.will_set(will["topic"], will["payload"], will["qos"], will["retain"])
        if version == 5:
            given = {"SessionExpiryInterval": 600} if lasting else {}
            if receiveMaximum is not None:
                given["ReceiveMaximum"] = receiveMaximum
            client.connect("127.0.0.1", port, 60, clean_start=not lasting, properties=properties_of(PacketTypes.CONNECT, given))
        else:
            client.connect("127.0.0.1", port, 60)
        client.loop_start()

    def on_connect(self, client, userdata, flags, code, properties=None):
        code = code if isinstance(code, int) else code.value
        say(client=self.name, connected={"sessionPresent": bool(flags["session present"]), "code": code, "properties": told(properties)})

    def on_message(self, client, userdata, message):
        payload = base64.b64encode(message.payload).decode()
        properties = told(getattr(message, "properties", None))
        heard = {"topic": message.topic, "payload": payload, "qos": message.qos, "retain": bool(message.retain), "properties": properties}
        say(client=self.name, heard=heard)

    def subscribe(self, filter, qos, noLocal=False, retainHandling=0):
        if self.version == 5:
            options = {"options": SubscribeOptions(qos=qos, noLocal=noLocal, retainHandling=retainHandling)}
        else:
            options = {"qos": qos}
        code, mid = self.client.subscribe(filter, **options)
        assert code == mqtt.MQTT_ERR_SUCCESS, mqtt.error_string(code)
        assert self.granted.get(timeout=WAIT_SECONDS) == mid

    def publish(self, topic, payloads, qos, retain=False, properties=None):
        options = {"qos": qos, "retain": retain}
        if properties is not None:
            options["properties"] = properties_of(PacketTypes.PUBLISH, properties)
        publishes = [self.client.publish(topic, base64.b64decode(payload), **options) for payload in payloads]
        for publish in publishes:
            publish.wait_for_publish(WAIT_SECONDS)
            assert publish.is_published(), "no answer came"

    def leave(self):
        self.client.disconnect()
        self.client.loop_stop()


peers = {}


def run(call, client, do, **details):
    try:
        if do == "open":
            peers[client] = Peer(client)
        getattr(peers[client], do)(**details)
        say(call=call, answer="done")
    except Exception:
        say(call=call, answer=traceback.format_exc())


if "--version" in sys.argv:
    print(paho.mqtt.__version__)
else:
    for line in sys.stdin:
        # A thread for each: one that waits for the hub must not keep the others waiting.
        threading.Thread(target=run, kwargs=json.loads(line), daemon=True).start()
