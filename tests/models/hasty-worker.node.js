// The library's worker in Node, in a hurry.
import './hasty.js';
import '../../js/worker.node.js';
