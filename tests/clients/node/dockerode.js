// What programs do with dockerode, against the daemon that DOCKER_HOST names. Prints "ok NAME" for every part; the first
// failure ends the program.
'use strict';
const assert = require('node:assert/strict');
const { PassThrough } = require('node:stream');
const Docker = require('dockerode');

const docker = new Docker();
const IMAGE = 'busybox:latest';

// Everything that a stream yields until its end.
function collect(stream) {
    return new Promise((resolve, reject) => {
        const pieces = [];
        stream.on('data', (piece) => pieces.push(piece));
        stream.on('end', () => resolve(Buffer.concat(pieces).toString()));
        stream.on('error', reject);
    });
}

// Both outputs of a multiplexed stream.
async function demux(stream) {
    const out = new PassThrough();
    const err = new PassThrough();
    const texts = Promise.all([collect(out), collect(err)]);
    docker.modem.demuxStream(stream, out, err);
    await new Promise((resolve) => stream.on('end', resolve));
    out.end();
    err.end();
    const [stdout, stderr] = await texts;
    return { stdout, stderr };
}

async function make(options) {
    const container = await docker.createContainer({ Image: IMAGE, ...options });
    await container.start();
    return container;
}

const parts = {
    async 'the daemon tells about itself'() {
        assert.equal((await docker.ping()).toString(), 'OK');
        const info = await docker.info();
        assert.equal(info.OSType, 'linux');
        const version = await docker.version();
        assert.ok(version.ApiVersion.startsWith('1.'));
        const images = await docker.listImages();
        assert.ok(images.some((image) => (image.RepoTags || []).includes(IMAGE)));
    },

    async 'run gives output and status'() {
        const out = new PassThrough();
        const text = collect(out);
        const [result, container] = await docker.run(IMAGE, ['sh', '-c', 'echo to out; exit 3'], out, { Tty: true });
        // The output ends by itself, after the status was told or before it.
        assert.equal(result.StatusCode, 3);
        assert.equal((await text).trim(), 'to out');
        await container.remove();
    },

    async 'attach carries input to the container and both outputs back'() {
        const container = await docker.createContainer({ Image: IMAGE, OpenStdin: true, StdinOnce: true, AttachStdin: true,
            Cmd: ['sh', '-c', 'cat; echo to err >&2'] });
        const stream = await container.attach({ stream: true, hijack: true, stdin: true, stdout: true, stderr: true });
        const texts = demux(stream);
        await container.start();
        stream.end('typed\n');
        assert.deepEqual(await texts, { stdout: 'typed\n', stderr: 'to err\n' });
        assert.equal((await container.wait()).StatusCode, 0);
        await container.remove();
    },

    async 'exec runs, is inspected, and takes input'() {
        const container = await make({ Cmd: ['sleep', '1000'] });
        const exec = await container.exec({ Cmd: ['sh', '-c', 'cat; echo $X; exit 4'], Env: ['X=y'], AttachStdin: true, AttachStdout: true, AttachStderr: true });
        const stream = await exec.start({ hijack: true, stdin: true });
        const texts = demux(stream);
        stream.end('into exec\n');
        assert.deepEqual(await texts, { stdout: 'into exec\ny\n', stderr: '' });
        const state = await exec.inspect();
        assert.equal(state.Running, false);
        assert.equal(state.ExitCode, 4);
        await container.remove({ force: true });
    },

    async 'logs are read whole and followed'() {
        const container = await make({ Cmd: ['sh', '-c', 'echo one; echo two >&2; sleep 0.3; echo three'] });
        const followed = await demux(await container.logs({ follow: true, stdout: true, stderr: true }));
        assert.deepEqual(followed, { stdout: 'one\nthree\n', stderr: 'two\n' });
        const tail = await container.logs({ stdout: true, stderr: true, tail: 1, timestamps: true });
        assert.match(tail.subarray(8).toString(), /^\d{4}-\d\d-\d\dT\S+Z three\n$/);
        await container.remove();
    },

    async 'archives go in and come out'() {
        const container = await make({ Cmd: ['sleep', '1000'] });
        const stream = await container.getArchive({ path: '/etc/passwd' });
        const tar = await collect(stream);
        assert.ok(tar.startsWith('passwd'));
        assert.ok(tar.includes('root:x:0:0'));
        await container.putArchive(Buffer.from(tar, 'latin1'), { path: '/tmp' });
        const exec = await container.exec({ Cmd: ['head', '-1', '/tmp/passwd'], AttachStdout: true });
        const { stdout } = await demux(await exec.start({}));
        assert.ok(stdout.startsWith('root:x:0:0'));
        await container.remove({ force: true });
    },

    async 'statistics, processes, pause, rename, update and inspection'() {
        const container = await make({ name: 'dockerode-1', Cmd: ['sleep', '1000'], HostConfig: { Memory: 64 << 20 } });
        const stats = await container.stats({ stream: false });
        assert.equal(stats.memory_stats.limit, 64 << 20);
        const top = await container.top();
        assert.ok(top.Processes.some((row) => row.join(' ').includes('sleep 1000')));
        await container.pause();
        assert.equal((await container.inspect()).State.Status, 'paused');
        await container.unpause();
        await container.rename({ name: 'dockerode-2' });
        await container.update({ Memory: 48 << 20, MemorySwap: -1 });
        const inspected = await container.inspect();
        assert.equal(inspected.Name, '/dockerode-2');
        assert.equal(inspected.HostConfig.Memory, 48 << 20);
        const listed = await docker.listContainers({ filters: { name: ['dockerode-2'] } });
        assert.equal(listed.length, 1);
        await container.stop({ t: 0 });
        await container.remove();
    },

    async 'events arrive while things happen'() {
        const events = await docker.getEvents({ filters: { type: ['container'], event: ['create', 'start', 'die', 'destroy'] } });
        const container = await make({ Cmd: ['true'] });
        await container.wait();
        await container.remove();
        const seen = [];
        for await (const chunk of events) {
            for (const line of chunk.toString().split('\n').filter(Boolean)) {
                const event = JSON.parse(line);
                if (event.id === container.id) {
                    seen.push(event.Action);
                }
            }
            if (seen.includes('destroy')) {
                break;
            }
        }
        assert.deepEqual(seen, ['create', 'start', 'die', 'destroy']);
    },

    async 'volumes and networks are made, used and removed'() {
        const volume = await docker.createVolume({ Name: 'dockerode-volume', Labels: { made: 'by dockerode' } });
        const network = await docker.createNetwork({ Name: 'dockerode-network', CheckDuplicate: true });
        const server = await make({ name: 'dockerode-server', Cmd: ['sh', '-c', 'echo page >/data/index.html; exec httpd -f -p 80 -h /data'],
            HostConfig: { Binds: ['dockerode-volume:/data'], NetworkMode: 'dockerode-network' } });
        const out = new PassThrough();
        const text = collect(out);
        const [result, client] = await docker.run(IMAGE,
            ['sh', '-c', 'for i in 1 2 3 4 5 6 7 8 9 10; do wget -q -O - http://dockerode-server/ && exit 0; sleep 0.5; done; exit 1'], out,
            { Tty: true, HostConfig: { NetworkMode: 'dockerode-network' } });
        assert.match(await text, /page/);
        assert.equal(result.StatusCode, 0);
        await client.remove();
        await server.remove({ force: true });
        await network.remove();
        await volume.remove();
    },

    async 'errors carry the status and the message'() {
        await assert.rejects(docker.getContainer('no-such-container').inspect(), { statusCode: 404, message: /No such container: no-such-container/ });
        const container = await make({ name: 'dockerode-twice', Cmd: ['sleep', '1000'] });
        await assert.rejects(docker.createContainer({ name: 'dockerode-twice', Image: IMAGE }), { statusCode: 409, message: /already in use/ });
        await assert.rejects(container.remove(), { statusCode: 409, message: /container is running/ });
        await container.kill();
        await container.remove();
        await assert.rejects(docker.createContainer({ Image: 'no-such-image:1' }), { statusCode: 404, message: /No such image: no-such-image:1/ });
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
