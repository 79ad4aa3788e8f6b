// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Test} from "forge-std/Test.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {ConversationToken} from "../src/ConversationToken.sol";
import {RoyaltySplitter} from "../src/RoyaltySplitter.sol";

/// Three contributors with known keys, in ascending order of their addresses, and terms that they sign.
abstract contract Conversations is Test {
    ConversationToken token;
    address holder = makeAddr("holder");
    address stranger = makeAddr("stranger");
    uint256[] keys;
    address[] people;

    function makePeople(uint256 count) internal {
        delete keys;
        delete people;
        for (uint256 i = 0; i < count; i++) {
            uint256 key = uint256(keccak256(abi.encode("contributor", i)));
            uint256 at = i;
            keys.push(key);
            people.push(vm.addr(key));
            while (at > 0 && people[at - 1] > people[at]) {
                (people[at - 1], people[at]) = (people[at], people[at - 1]);
                (keys[at - 1], keys[at]) = (keys[at], keys[at - 1]);
                at--;
            }
        }
    }

    function someTerms() internal view returns (ConversationToken.MintTerms memory terms) {
        terms.commitment = keccak256("salted root");
        terms.pointer = keccak256("where it lies");
        terms.contributors = people;
        terms.shares = new uint16[](people.length);
        uint16 rest = 10_000;
        for (uint256 i = 1; i < people.length; i++) {
            terms.shares[i] = uint16(10_000 / (people.length + 1));
            rest -= terms.shares[i];
        }
        terms.shares[0] = rest;
        terms.holder = holder;
        terms.quorum = people.length > 1 ? 2 : 1;
        terms.royalty = 750;
        terms.deadline = uint64(block.timestamp + 1 days);
        terms.nonce = 7;
    }

    function signed(ConversationToken.MintTerms memory terms)
        internal
        view
        returns (bytes[] memory signatures)
    {
        bytes32 hash = token.consentHash(terms);
        signatures = new bytes[](keys.length);
        for (uint256 i = 0; i < keys.length; i++) {
            signatures[i] = sign(keys[i], hash);
        }
    }

    function sign(uint256 key, bytes32 hash) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, hash);
        return abi.encodePacked(r, s, v);
    }

    function mintSome() internal returns (uint256 id) {
        ConversationToken.MintTerms memory terms = someTerms();
        id = token.mint(terms, signed(terms));
    }

    function splitterOf(uint256 id) internal view returns (RoyaltySplitter) {
        (, ConversationToken.Conversation memory conversation,,) = token.describe(id);
        return RoyaltySplitter(payable(conversation.splitter));
    }
}

contract Coin is ERC20("Test coin", "TST") {
    function give(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function take(address from, uint256 amount) external {
        _burn(from, amount);
    }
}

/// A smart-contract wallet: one key decides what it signs. It takes no currency and no tokens.
contract ContractWallet is IERC1271 {
    address public immutable key;

    constructor(address key_) {
        key = key_;
    }

    function isValidSignature(bytes32 hash, bytes memory signature) external view returns (bytes4) {
        return ECDSA.recover(hash, signature) == key ? IERC1271.isValidSignature.selector : bytes4(0);
    }

    function claim(RoyaltySplitter splitter, address asset, address payable to) external {
        splitter.claim(asset, to);
    }
}

/// Tries to be paid twice by claiming again while it is paid.
contract Greedy {
    uint256 public tries;
    bytes public refusal;

    function claim(RoyaltySplitter splitter) external {
        splitter.claim(address(0), payable(address(this)));
    }

    receive() external payable {
        tries++;
        try RoyaltySplitter(payable(msg.sender)).claim(address(0), payable(address(this))) {}
        catch (bytes memory reason) {
            refusal = reason;
        }
    }
}

/// Tries to mint and to move the token while it receives it.
contract Meddler {
    ConversationToken public immutable token;
    address public immutable accomplice;
    bool public mintedAgain;

    constructor(ConversationToken token_, address accomplice_) {
        token = token_;
        accomplice = accomplice_;
    }

    function onERC721Received(address, address, uint256 id, bytes calldata) external returns (bytes4) {
        ConversationToken.MintTerms memory none;
        try token.mint(none, new bytes[](0)) {
            mintedAgain = true;
        } catch {}
        token.transferFrom(address(this), accomplice, id);
        return this.onERC721Received.selector;
    }
}
