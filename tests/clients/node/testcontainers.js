// What test suites do with Testcontainers, against the daemon that DOCKER_HOST names. Its reaper is switched off by the
// caller (TESTCONTAINERS_RYUK_DISABLED): that is an image of its own, from a registry that may not be reachable.
'use strict';
const assert = require('node:assert/strict');
const { GenericContainer, Network, Wait } = require('testcontainers');

const IMAGE = 'busybox:latest';

async function get(container, path) {
    const answer = await fetch(`http://${container.getHost()}:${container.getMappedPort(80)}${path}`);
    return answer.text();
}

const parts = {
    async 'a container is waited for by its log, asked over its published port, executed in and stopped'() {
        const container = await new GenericContainer(IMAGE)
            .withCommand(['sh', '-c', 'mkdir /www; cp /copied /www/; echo "$GREETING" >/www/index.html; echo ready; exec httpd -f -p 80 -h /www'])
            .withEnvironment({ GREETING: 'from testcontainers' })
            .withCopyContentToContainer([{ content: 'copied in', target: '/copied' }])
            .withLabels({ suite: 'dory' })
            .withExposedPorts(80)
            .withWaitStrategy(Wait.forLogMessage('ready'))
            .start();
        assert.equal(await get(container, '/'), 'from testcontainers\n');
        assert.equal(await get(container, '/copied'), 'copied in');
        const result = await container.exec(['sh', '-c', 'echo executed; exit 5']);
        assert.equal(result.output, 'executed\n');
        assert.equal(result.exitCode, 5);
        await container.stop();
    },

    async 'a container is waited for by its ports and by HTTP'() {
        const container = await new GenericContainer(IMAGE)
            .withCommand(['sh', '-c', 'mkdir /www; echo up >/www/index.html; sleep 0.5; exec httpd -f -p 80 -h /www'])
            .withExposedPorts(80)
            .withWaitStrategy(Wait.forAll([Wait.forListeningPorts(), Wait.forHttp('/', 80).forStatusCode(200)]))
            .start();
        assert.equal(await get(container, '/'), 'up\n');
        await container.restart();
        assert.equal(await get(container, '/'), 'up\n');
        await container.stop();
    },

    async 'a container is waited for by its health check'() {
        const container = await new GenericContainer(IMAGE)
            .withCommand(['sh', '-c', 'sleep 0.5; touch /healthy; sleep 1000'])
            .withHealthCheck({ test: ['CMD', 'test', '-e', '/healthy'], interval: 200, timeout: 5000, retries: 100 })
            .withWaitStrategy(Wait.forHealthCheck())
            .start();
        await container.stop();
    },

    async 'containers of one network find each other by alias'() {
        const network = await new Network().start();
        const server = await new GenericContainer(IMAGE)
            .withNetwork(network)
            .withNetworkAliases('server')
            .withCommand(['sh', '-c', 'mkdir /www; echo by alias >/www/index.html; exec httpd -f -p 80 -h /www'])
            .start();
        const client = await new GenericContainer(IMAGE).withNetwork(network).withCommand(['sleep', '1000']).start();
        let result;
        for (let i = 0; i < 50; i++) {
            result = await client.exec(['wget', '-q', '-O', '-', 'http://server/']);
            if (result.exitCode === 0) {
                break;
            }
            await new Promise((resolve) => setTimeout(resolve, 100));
        }
        assert.equal(result.output, 'by alias\n');
        await client.stop();
        await server.stop();
        await network.stop();
    },
};

(async () => {
    const only = process.argv[2];
    for (const [name, part] of Object.entries(parts)) {
        if (only && !name.includes(only)) {
            continue;
        }
        await part();
        console.log(`ok ${name}`);
    }
    process.exit(0);
})().catch((error) => {
    console.error(error);
    process.exit(1);
});
