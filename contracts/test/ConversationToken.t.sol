// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Base64} from "@openzeppelin/contracts/utils/Base64.sol";
import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";
import {ConversationToken} from "../src/ConversationToken.sol";
import {RoyaltySplitter} from "../src/RoyaltySplitter.sol";
import {ContractWallet, Conversations, Meddler} from "./Fixtures.sol";

/// What minting, consent, access and withdrawal do and refuse; one rule per test.
contract ConversationTokenTest is Conversations {
    function setUp() public {
        vm.roll(77);
        vm.warp(1_000_000);
        token = new ConversationToken();
        makePeople(3);
    }

    function test_firstBlockIsTheBlockOfDeployment() public {
        vm.roll(100);
        assertEq(token.firstBlock(), 77);
    }

    function test_mintGivesTheOriginalToTheHolder() public {
        ConversationToken.MintTerms memory terms = someTerms();
        bytes[] memory signatures = signed(terms);
        uint256 expected = token.conversationId(terms);
        vm.prank(stranger);
        uint256 id = token.mint(terms, signatures);
        assertEq(id, expected);
        assertEq(id & 0xffff, 0);
        assertEq(token.ownerOf(id), holder);
        assertTrue(token.canOpen(id, holder));
        assertFalse(token.canOpen(id, stranger));
        assertFalse(token.canOpen(id, people[0]), "contributing alone opens nothing");
        assertFalse(token.isWithdrawn(id));
    }

    function test_mintKeepsWhatWasSigned() public {
        ConversationToken.MintTerms memory terms = someTerms();
        terms.editions = list(stranger);
        uint256 id = token.mint(terms, signed(terms));
        (
            address who,
            ConversationToken.Conversation memory conversation,
            address[] memory contributors,
            uint16[] memory shares
        ) = token.describe(id);
        assertEq(who, holder);
        assertEq(conversation.commitment, terms.commitment);
        assertEq(conversation.pointer, terms.pointer);
        assertEq(conversation.royalty, 750);
        assertEq(conversation.quorum, 2);
        assertEq(conversation.editions, 1);
        assertEq(conversation.retractions, 0);
        assertEq(contributors, people);
        assertEq(shares[0], terms.shares[0]);
        assertEq(shares[2], terms.shares[2]);
        (who,,,) = token.describe(id + 1);
        assertEq(who, stranger);
        (who,,,) = token.describe(id + 2);
        assertEq(who, address(0));
    }

    function test_mintEmitsEverythingThatAReaderNeeds() public {
        ConversationToken.MintTerms memory terms = someTerms();
        bytes[] memory signatures = signed(terms);
        uint256 before = vm.snapshotState();
        uint256 id = token.mint(terms, signatures);
        (, ConversationToken.Conversation memory conversation,,) = token.describe(id);
        vm.revertToState(before);
        vm.expectEmit();
        emit ConversationToken.ConversationMinted(id, holder, conversation, terms.contributors, terms.shares);
        token.mint(terms, signatures);
    }

    function test_editionsOpenTheConversationToo() public {
        ConversationToken.MintTerms memory terms = someTerms();
        // Twice the same person, and a contract that takes no tokens: nobody holds up the others.
        ContractWallet refuser = new ContractWallet(holder);
        terms.editions = list(people[1], people[1], address(refuser));
        uint256 id = token.mint(terms, signed(terms));
        assertEq(token.ownerOf(id + 1), people[1]);
        assertEq(token.ownerOf(id + 3), address(refuser));
        assertEq(token.conversationOf(id + 3), id);
        assertTrue(token.canOpen(id + 2, people[1]));
        assertTrue(token.canOpen(id, address(refuser)));
        vm.startPrank(people[1]);
        token.transferFrom(people[1], stranger, id + 1);
        assertTrue(token.canOpen(id, people[1]), "still holds one");
        token.transferFrom(people[1], stranger, id + 2);
        assertFalse(token.canOpen(id, people[1]));
        assertTrue(token.canOpen(id, stranger));
    }

    function test_accessFollowsTheToken() public {
        uint256 id = mintSome();
        vm.prank(holder);
        token.safeTransferFrom(holder, stranger, id);
        assertFalse(token.canOpen(id, holder));
        assertTrue(token.canOpen(id, stranger));
    }

    function test_aTokenThatDoesNotExist() public {
        assertFalse(token.canOpen(0x10000, holder));
        assertFalse(token.canOpen(0x10000, address(0)));
        (address receiver, uint256 amount) = token.royaltyInfo(0x10000, 1 ether);
        assertEq(receiver, address(0));
        assertEq(amount, 0);
        vm.expectRevert(abi.encodeWithSelector(ConversationToken.NoSuchConversation.selector, 0x10000));
        token.describe(0x10001);
        vm.expectRevert(abi.encodeWithSelector(ConversationToken.NoSuchConversation.selector, 0x10000));
        token.isWithdrawn(0x10000);
        vm.expectRevert(abi.encodeWithSelector(ConversationToken.NoSuchConversation.selector, 0x10000));
        token.retract(0x10000);
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, 0x10000));
        token.tokenURI(0x10000);
    }

    function test_theSameTermsMintOnce() public {
        ConversationToken.MintTerms memory terms = someTerms();
        bytes[] memory signatures = signed(terms);
        uint256 id = token.mint(terms, signatures);
        vm.expectRevert(abi.encodeWithSelector(ConversationToken.AlreadyMinted.selector, id));
        token.mint(terms, signatures);
        terms.nonce++;
        assertNotEq(token.mint(terms, signed(terms)), id);
    }

    function test_nobodyMintsWithoutEverySignature() public {
        ConversationToken.MintTerms memory terms = someTerms();
        bytes[] memory signatures = signed(terms);
        bytes[] memory two = new bytes[](2);
        (two[0], two[1]) = (signatures[0], signatures[1]);
        expectNoConsent(terms, two, people[2]);
        (signatures[0], signatures[1]) = (signatures[1], signatures[0]);
        expectNoConsent(terms, signatures, people[0]);
        (signatures[0], signatures[1]) = (signatures[1], bytes(""));
        expectNoConsent(terms, signatures, people[1]);
    }

    function test_aSignatureIsForItsTermsAlone() public {
        ConversationToken.MintTerms memory terms = someTerms();
        bytes[] memory signatures = signed(terms);
        terms.commitment = keccak256("another conversation");
        expectNoConsent(terms, signatures, people[0]);
        terms = someTerms();
        terms.holder = stranger;
        expectNoConsent(terms, signatures, people[0]);
        terms = someTerms();
        (terms.shares[0], terms.shares[1]) = (terms.shares[1], terms.shares[0]);
        expectNoConsent(terms, signatures, people[0]);
        terms = someTerms();
        terms.editions = list(stranger);
        expectNoConsent(terms, signatures, people[0]);
        terms = someTerms();
        terms.royalty = 1_000;
        expectNoConsent(terms, signatures, people[0]);
        terms = someTerms();
        terms.quorum = 3;
        expectNoConsent(terms, signatures, people[0]);
        terms = someTerms();
        terms.deadline++;
        expectNoConsent(terms, signatures, people[0]);
        terms = someTerms();
        terms.pointer = 0;
        expectNoConsent(terms, signatures, people[0]);
        terms = someTerms();
        terms.nonce++;
        expectNoConsent(terms, signatures, people[0]);
    }

    function test_aSignatureIsForItsChainAndContractAlone() public {
        ConversationToken.MintTerms memory terms = someTerms();
        bytes[] memory signatures = signed(terms);
        vm.chainId(314159);
        expectNoConsent(terms, signatures, people[0]);
        vm.chainId(31337);
        token = new ConversationToken();
        expectNoConsent(terms, signatures, people[0]);
    }

    function test_theOtherFormOfASignatureIsRefused() public {
        ConversationToken.MintTerms memory terms = someTerms();
        bytes[] memory signatures = signed(terms);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(keys[0], token.consentHash(terms));
        uint256 order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141;
        signatures[0] = abi.encodePacked(r, bytes32(order - uint256(s)), v == 27 ? uint8(28) : uint8(27));
        expectNoConsent(terms, signatures, people[0]);
        signatures[0] = abi.encodePacked(r, bytes32(uint256(s) | (uint256(v - 27) << 255)));
        expectNoConsent(terms, signatures, people[0]);
        signatures[0] = new bytes(65);
        expectNoConsent(terms, signatures, people[0]);
    }

    function test_aRevokedSignatureIsWorthNothing() public {
        ConversationToken.MintTerms memory terms = someTerms();
        bytes[] memory signatures = signed(terms);
        uint256 id = token.conversationId(terms);
        vm.expectEmit();
        emit ConversationToken.ConsentRevoked(id, people[1]);
        vm.prank(people[1]);
        token.revokeConsent(id);
        expectNoConsent(terms, signatures, people[1]);
        // Whoever is no contributor revokes nothing.
        terms.nonce++;
        signatures = signed(terms);
        vm.prank(stranger);
        token.revokeConsent(token.conversationId(terms));
        id = token.mint(terms, signatures);
        vm.prank(people[1]);
        vm.expectRevert(abi.encodeWithSelector(ConversationToken.AlreadyMinted.selector, id));
        token.revokeConsent(id);
    }

    function test_signaturesEnd() public {
        ConversationToken.MintTerms memory terms = someTerms();
        bytes[] memory signatures = signed(terms);
        vm.warp(terms.deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(ConversationToken.Expired.selector, terms.deadline));
        token.mint(terms, signatures);
        vm.warp(terms.deadline);
        token.mint(terms, signatures);
    }

    function test_contractWalletsSignAndContribute() public {
        ContractWallet wallet = new ContractWallet(people[0]);
        uint256 key = keys[0];
        makePeople(1);
        people[0] = address(wallet);
        ConversationToken.MintTerms memory terms = someTerms();
        bytes[] memory signatures = new bytes[](1);
        signatures[0] = sign(uint256(keccak256("somebody else")), token.consentHash(terms));
        expectNoConsent(terms, signatures, address(wallet));
        signatures[0] = sign(key, token.consentHash(terms));
        token.mint(terms, signatures);
    }

    function test_termsThatMakeNoSense() public {
        ConversationToken.MintTerms memory terms = someTerms();
        terms.commitment = 0;
        expectRefusal(terms, abi.encodeWithSelector(ConversationToken.NoCommitment.selector));
        bytes memory bad = abi.encodeWithSelector(ConversationToken.BadContributors.selector);
        terms = someTerms();
        terms.contributors = new address[](0);
        expectRefusal(terms, bad);
        terms = someTerms();
        terms.shares = new uint16[](2);
        expectRefusal(terms, bad);
        terms = someTerms();
        (terms.contributors[0], terms.contributors[1]) = (terms.contributors[1], terms.contributors[0]);
        expectRefusal(terms, bad);
        terms = someTerms();
        terms.contributors[1] = terms.contributors[0];
        expectRefusal(terms, bad);
        terms = someTerms();
        terms.contributors[0] = address(0);
        expectRefusal(terms, bad);
        terms = someTerms();
        terms.contributors = new address[](101);
        terms.shares = new uint16[](101);
        expectRefusal(terms, bad);
        terms = someTerms();
        terms.shares[1] -= 1;
        expectRefusal(terms, abi.encodeWithSelector(ConversationToken.BadShares.selector, 9_999));
        terms = someTerms();
        (terms.shares[0], terms.shares[1]) = (terms.shares[0] + terms.shares[1], 0);
        expectRefusal(terms, abi.encodeWithSelector(ConversationToken.BadShares.selector, 0));
        terms = someTerms();
        terms.quorum = 0;
        expectRefusal(terms, abi.encodeWithSelector(ConversationToken.BadQuorum.selector, 0, 3));
        terms.quorum = 4;
        expectRefusal(terms, abi.encodeWithSelector(ConversationToken.BadQuorum.selector, 4, 3));
        terms = someTerms();
        terms.royalty = 1_001;
        expectRefusal(terms, abi.encodeWithSelector(ConversationToken.RoyaltyTooHigh.selector, 1_001));
        terms = someTerms();
        terms.editions = new address[](1_001);
        expectRefusal(terms, abi.encodeWithSelector(ConversationToken.TooManyEditions.selector, 1_001));
        bytes memory nobody = abi.encodeWithSelector(IERC721Errors.ERC721InvalidReceiver.selector, address(0));
        terms = someTerms();
        terms.holder = address(0);
        expectRefusal(terms, nobody);
        terms = someTerms();
        terms.editions = list(address(0));
        expectRefusal(terms, nobody);
    }

    function test_aHolderThatRefusesTokensIsNamed() public {
        ConversationToken.MintTerms memory terms = someTerms();
        terms.holder = address(new ContractWallet(holder));
        expectRefusal(
            terms, abi.encodeWithSelector(IERC721Errors.ERC721InvalidReceiver.selector, terms.holder)
        );
    }

    function test_aHolderThatMeddlesWhileItReceivesGainsNothing() public {
        Meddler meddler = new Meddler(token, stranger);
        ConversationToken.MintTerms memory terms = someTerms();
        terms.holder = address(meddler);
        uint256 id = token.mint(terms, signed(terms));
        assertFalse(meddler.mintedAgain());
        assertEq(token.ownerOf(id), stranger);
        assertTrue(token.canOpen(id, stranger));
        assertFalse(token.canOpen(id, address(meddler)));
    }

    function test_aHundredContributorsAndAThousandEditions() public {
        makePeople(100);
        ConversationToken.MintTerms memory terms = someTerms();
        terms.editions = new address[](1_000);
        for (uint256 i = 0; i < 1_000; i++) {
            terms.editions[i] = address(uint160(i + 1));
        }
        uint256 id = token.mint(terms, signed(terms));
        assertEq(token.ownerOf(id + 1_000), address(1_000));
        vm.prank(people[99]);
        token.retract(id);
    }

    function test_theQuorumWithdraws() public {
        ConversationToken.MintTerms memory terms = someTerms();
        terms.editions = list(stranger);
        uint256 id = token.mint(terms, signed(terms));
        vm.expectEmit();
        emit ConversationToken.Retracted(id, people[2], 1);
        vm.prank(people[2]);
        token.retract(id);
        assertTrue(token.hasRetracted(id, people[2]));
        assertTrue(token.canOpen(id, holder), "one of two is not enough");
        vm.prank(people[2]);
        vm.expectRevert(abi.encodeWithSelector(ConversationToken.RetractedBefore.selector, id, people[2]));
        token.retract(id);

        vm.expectEmit();
        emit ConversationToken.Retracted(id, people[0], 2);
        vm.expectEmit();
        emit ConversationToken.Withdrawn(id);
        vm.expectEmit();
        emit BatchMetadataUpdate(id, id + 1);
        vm.prank(people[0]);
        token.retract(id);
        assertTrue(token.isWithdrawn(id));
        assertTrue(token.isWithdrawn(id + 1));
        assertFalse(token.canOpen(id, holder));
        assertFalse(token.canOpen(id + 1, stranger));
        vm.prank(people[1]);
        vm.expectRevert(abi.encodeWithSelector(ConversationToken.IsWithdrawn.selector, id));
        token.retract(id);
    }

    function test_onlyContributorsWithdraw() public {
        uint256 id = mintSome();
        vm.prank(holder);
        vm.expectRevert(abi.encodeWithSelector(ConversationToken.NotAContributor.selector, id, holder));
        token.retract(id);
    }

    function test_withdrawnTokensDoNotMove() public {
        uint256 id = withdrawn();
        vm.prank(holder);
        vm.expectRevert(abi.encodeWithSelector(ConversationToken.IsWithdrawn.selector, id));
        token.transferFrom(holder, stranger, id);
        assertEq(token.ownerOf(id), holder);
    }

    function test_theNameSaysNothingButTheId() public {
        uint256 id = mintSome();
        string memory name = Strings.toHexString(id, 32);
        assertEq(token.tokenURI(id), uri(name, "original", "no"));
        ConversationToken.MintTerms memory terms = someTerms();
        terms.nonce++;
        terms.editions = list(stranger);
        uint256 other = token.mint(terms, signed(terms));
        assertEq(token.tokenURI(other + 1), uri(Strings.toHexString(other, 32), "edition 1", "no"));
        vm.prank(people[0]);
        token.retract(id);
        vm.prank(people[1]);
        token.retract(id);
        assertEq(token.tokenURI(id), uri(name, "original", "yes"));
    }

    function test_interfaces() public view {
        assertTrue(token.supportsInterface(0x01ffc9a7), "ERC-165");
        assertTrue(token.supportsInterface(0x80ac58cd), "ERC-721");
        assertTrue(token.supportsInterface(0x5b5e139f), "metadata");
        assertTrue(token.supportsInterface(0x2a55205a), "ERC-2981");
        assertTrue(token.supportsInterface(0x49064906), "ERC-4906");
        assertFalse(token.supportsInterface(0xffffffff));
    }

    /// The hash is computed here from the words of EIP-712, by the fields that `eip712Domain` names.
    function test_whatIsSignedIsEIP712() public view {
        (bytes1 fields, string memory name, string memory version, uint256 chainId, address at,,) =
            token.eip712Domain();
        assertEq(fields, bytes1(0x0f));
        bytes32 domain = keccak256(
            abi.encode(
                keccak256(
                    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
                ),
                keccak256(bytes(name)),
                keccak256(bytes(version)),
                chainId,
                at
            )
        );
        ConversationToken.MintTerms memory terms = someTerms();
        bytes memory fieldsOfTerms = abi.encode(
            keccak256(
                "MintTerms(bytes32 commitment,bytes32 pointer,address[] contributors,uint16[] shares,address holder,address[] editions,uint8 quorum,uint16 royalty,uint64 deadline,uint256 nonce)"
            ),
            terms.commitment,
            terms.pointer,
            keccak256(abi.encode(people[0], people[1], people[2])),
            keccak256(abi.encode(terms.shares[0], terms.shares[1], terms.shares[2])),
            holder,
            keccak256(""),
            terms.quorum,
            terms.royalty,
            terms.deadline,
            terms.nonce
        );
        bytes32 expected = keccak256(abi.encodePacked(hex"1901", domain, keccak256(fieldsOfTerms)));
        assertEq(token.consentHash(terms), expected);
    }

    function testFuzz_royaltyIsTheAgreedPart(uint16 royalty, uint128 price) public {
        ConversationToken.MintTerms memory terms = someTerms();
        terms.royalty = uint16(bound(royalty, 0, 1_000));
        uint256 id = token.mint(terms, signed(terms));
        (address receiver, uint256 amount) = token.royaltyInfo(id, price);
        assertEq(receiver, address(splitterOf(id)));
        assertEq(amount, uint256(price) * terms.royalty / 10_000);
    }

    function testFuzz_noConsentNoMint(uint8 missing, bytes calldata junk) public {
        ConversationToken.MintTerms memory terms = someTerms();
        bytes[] memory signatures = signed(terms);
        uint256 at = missing % people.length;
        vm.assume(keccak256(junk) != keccak256(signatures[at]));
        signatures[at] = junk;
        expectNoConsent(terms, signatures, people[at]);
        assertFalse(token.canOpen(token.conversationId(terms), holder));
    }

    function testFuzz_accessIsTheSameForEveryTokenOfAConversation(uint16 edition, address person) public {
        ConversationToken.MintTerms memory terms = someTerms();
        terms.editions = list(people[0], people[1]);
        uint256 id = token.mint(terms, signed(terms));
        bool expected = person == holder || person == people[0] || person == people[1];
        assertEq(token.canOpen(id + edition, person), expected);
    }

    function withdrawn() private returns (uint256 id) {
        id = mintSome();
        vm.prank(people[0]);
        token.retract(id);
        vm.prank(people[1]);
        token.retract(id);
    }

    function expectNoConsent(
        ConversationToken.MintTerms memory terms,
        bytes[] memory signatures,
        address person
    ) private {
        vm.expectRevert(abi.encodeWithSelector(ConversationToken.NoConsent.selector, person));
        token.mint(terms, signatures);
    }

    function expectRefusal(ConversationToken.MintTerms memory terms, bytes memory reason) private {
        bytes[] memory signatures = signed(terms);
        vm.expectRevert(reason);
        token.mint(terms, signatures);
    }

    function uri(string memory id, string memory kind, string memory gone)
        private
        pure
        returns (string memory)
    {
        bytes memory json = abi.encodePacked(
            '{"name":"Conversation ',
            id,
            ", ",
            kind,
            '","description":"A sealed conversation about a medical image. Whoever holds this token can open it until its contributors withdraw it.","attributes":[{"trait_type":"Withdrawn","value":"',
            gone,
            '"}]}'
        );
        return string.concat("data:application/json;base64,", Base64.encode(json));
    }

    function list(address a) private pure returns (address[] memory all) {
        all = new address[](1);
        all[0] = a;
    }

    function list(address a, address b) private pure returns (address[] memory all) {
        all = new address[](2);
        (all[0], all[1]) = (a, b);
    }

    function list(address a, address b, address c) private pure returns (address[] memory all) {
        all = new address[](3);
        (all[0], all[1], all[2]) = (a, b, c);
    }

    event BatchMetadataUpdate(uint256 fromTokenId, uint256 toTokenId);
}
